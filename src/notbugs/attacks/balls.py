"""Norm balls with a radius for every image: what searches for the smallest change shrink and grow.

A Threat has one radius for all images; here each image has its own, and changes it from step to step.
"""

import math
from typing import Literal, get_args

import torch

from notbugs.errors import NotbugsError
from notbugs.l1_ball import into_l1_balls
from notbugs.tensors import Images, PerExample
from notbugs.threats import Threat

Norm = Literal["l1", "l2", "linf"]

ORDERS: dict[Norm, float] = {"l1": 1, "l2": 2, "linf": math.inf}
DUALS: dict[Norm, Norm] = {"l1": "linf", "l2": "l2", "linf": "l1"}


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
    if norm == "l1":
        return into_l1_balls(images, centers, radii)
    changes = images - centers
    length = sizes(changes, norm).clamp_min(torch.finfo(changes.dtype).tiny)
    return torch.addcmul(centers, changes, (radii / length).clamp_max(1).view(-1, 1, 1, 1)).clamp_(0, 1)


def unless_too_far(found: Images, images: Images, threat: Threat) -> Images:
    """What was found, but the image itself where that lies outside the threat."""
    far = (threat.size(found, images) > threat.eps).nonzero()[:, 0]
    found[far] = images[far]
    return found


__all__ = ["ORDERS", "Norm", "dual_sizes", "into_balls", "norm_of", "sizes", "unless_too_far"]
