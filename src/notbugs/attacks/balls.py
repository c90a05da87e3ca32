"""Norm balls with a radius for every image: what searches for the smallest change shrink and grow.

A Threat has one radius for all images; here each image has its own, and changes it from step to step.
"""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError
from notbugs.tensors import Images, PerExample
from notbugs.threats import Threat

Norm = Literal["l1", "l2", "linf"]

ORDERS: dict[Norm, float] = {"l1": 1, "l2": 2, "linf": math.inf}
DUALS: dict[Norm, Norm] = {"l1": "linf", "l2": "l2", "linf": "l1"}

Rows = Float[Tensor, "batch values"]


def norm_of(threat: Threat) -> Norm:
    """The norm that a threat is written with. Raises NotbugsError if it is none of l1, l2, linf.

    >>> from notbugs.threats import Linf
    >>> norm_of(Linf(8 / 255))
    'linf'
    """
    name = str(threat).partition(":")[0]
    for norm in get_args(Norm):
        if name == norm:
            return norm
    raise NotbugsError(f"no norm ball for the threat {threat}; take one of {', '.join(get_args(Norm))}")


def sizes(changes: Images, norm: Norm) -> PerExample:
    """The norm of every change.

    >>> sizes(torch.tensor([3.0, -4.0]).view(1, 1, 1, 2), "l1").item()
    7.0
    """
    return torch.linalg.vector_norm(changes.flatten(1), ord=ORDERS[norm], dim=1)


def dual_sizes(gradients: Images, norm: Norm) -> PerExample:
    """How much each linear objective rises per unit of the norm: l2 for l2, l1 for linf, linf for l1."""
    return sizes(gradients, DUALS[norm])


def into_balls(images: Images, centers: Images, radii: PerExample, norm: Norm) -> Images:
    """Images inside the ball of radius radii[i] around centers[i], and inside the box; radii may be infinite.

    For l1 and linf the nearest ones in L2. For l2 the image is drawn to the centre and then clipped: at most as far
    away as its radius, and no dearer than that costs.

    >>> centers = torch.full((1, 1, 1, 2), 0.5)
    >>> into_balls(centers + torch.tensor([0.4, 0.1]), centers, torch.tensor([0.25]), "l1").flatten().tolist()
    [0.75, 0.5]
    """
    wide = radii.view(-1, 1, 1, 1)
    if norm == "linf":
        return torch.minimum(torch.maximum(images, centers - wide), centers + wide).clamp_(0, 1)
    changes = images - centers
    if norm == "l2":
        length = sizes(changes, norm).clamp_min(torch.finfo(changes.dtype).tiny)
        return torch.addcmul(centers, changes, (radii / length).clamp_max(1).view(-1, 1, 1, 1)).clamp_(0, 1)
    inside = into_l1_balls(changes.flatten(1), centers.flatten(1), radii)
    return (centers + inside.view_as(centers)).clamp_(0, 1)


def into_l1_balls(changes: Rows, centers: Rows, radii: PerExample) -> Rows:
    """The nearest changes (in L2) of L1 norm <= radii that leave every value in the box.

    By the KKT conditions they are sign(change) * clamp(|change| - t, 0, room) with the t >= 0 that spends the radius,
    where room is how far the wall is that the value moves towards (Croce & Hein 2021, arXiv 2103.01208, section 3).
    What is spent falls with t, piecewise linearly: Newton steps, kept inside a bracket, reach t in a few rounds.
    """
    magnitude = changes.abs()
    room = (changes.sign().clamp_min(0) - centers).abs_()
    kept = torch.minimum(magnitude, room)
    rows = (kept.sum(1) > radii).nonzero()[:, 0]
    if len(rows) > 0:
        kept[rows] = _spending(magnitude[rows], room[rows], radii[rows, None])
    return kept.copysign_(changes)


def _spending(magnitude: Rows, room: Rows, radii: Float[Tensor, "batch 1"]) -> Rows:
    """clamp(magnitude - t, 0, room) with the t of each row at which it sums to the radius."""
    low, high = torch.zeros_like(radii), magnitude.amax(1, keepdim=True)
    t = low
    for _ in range(60):
        left = magnitude - t
        kept = torch.minimum(left, room).clamp_min_(0)
        over = kept.sum(1, keepdim=True) - radii
        if bool((over.abs() <= 1e-6 * radii).all()):
            break
        low, high = torch.where(over > 0, t, low), torch.where(over > 0, high, t)
        moving = ((left > 0) & (left < room)).sum(1, keepdim=True)
        newton = t + over / moving.clamp_min(1)
        t = torch.where((newton > low) & (newton < high), newton, (low + high) / 2)
    return kept


def unless_too_far(found: Images, images: Images, threat: Threat) -> Images:
    """What was found, but the image itself where that lies outside the threat."""
    far = (threat.size(found, images) > threat.eps).nonzero()[:, 0]
    found[far] = images[far]
    return found


__all__ = ["Norm", "dual_sizes", "into_balls", "into_l1_balls", "norm_of", "sizes", "unless_too_far"]
