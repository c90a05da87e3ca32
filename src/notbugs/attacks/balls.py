"""Norm balls with a radius for every image: what searches for the smallest change shrink and grow.

A Threat has one radius for all images; here each image has its own, and changes it from step to step.
"""

import math

import torch

from notbugs.errors import NotbugsError
from notbugs.l1_ball import into_l1_balls
from notbugs.tensors import Images, PerExample
from notbugs.threats import L1, L2, Linf, Threat

ORDERS: dict[type[Threat], float] = {L1: 1, L2: 2, Linf: math.inf}
"""The order p of each threat's norm."""


def order_of(threat: Threat) -> float:
    """The order of a threat's norm. Raises NotbugsError if it is no ball of a norm.

    >>> order_of(Linf(8 / 255))
    inf
    """
    for kind, order in ORDERS.items():
        if isinstance(threat, kind):
            return order
    raise NotbugsError(f"{threat} is no norm ball; take l1, l2 or linf")


def unlimited(threat: Threat) -> Threat:
    """The same norm without a limit: only the pixel box is left. Raises NotbugsError if there is no norm.

    >>> unlimited(L2(0.5))
    L2(eps=inf)
    """
    order_of(threat)
    return type(threat)(math.inf)  # type: ignore[call-arg]


def into_balls(images: Images, centers: Images, radii: PerExample, threat: Threat) -> Images:
    """Images inside the ball of radius radii[i] around centers[i], in the threat's norm, and inside the box.

    Radii may be infinite; the threat's own eps plays no part.

    For l1 and linf the nearest ones in L2. For l2 the image is drawn to the centre and then clipped: at most as far
    away as its radius, and no dearer than that costs.

    >>> centers = torch.full((1, 1, 1, 2), 0.5)
    >>> into_balls(centers + torch.tensor([0.4, 0.1]), centers, torch.tensor([0.25]), L1(1)).flatten()
    tensor([0.7500, 0.5000])
    """
    wide = radii.view(-1, 1, 1, 1)
    match threat:
        case Linf():
            return torch.minimum(torch.maximum(images, centers - wide), centers + wide).clamp_(0, 1)
        case L1():
            return into_l1_balls(images, centers, radii)
    changes = images - centers
    length = threat.size(images, centers).clamp_min(torch.finfo(changes.dtype).tiny)
    return torch.addcmul(centers, changes, (radii / length).clamp_max(1).view(-1, 1, 1, 1)).clamp_(0, 1)


def unless_too_far(found: Images, images: Images, threat: Threat) -> Images:
    """What was found, but the image itself where that lies outside the threat."""
    far = (threat.size(found, images) > threat.eps).nonzero()[:, 0]
    found[far] = images[far]
    return found


__all__ = ["ORDERS", "into_balls", "order_of", "unless_too_far", "unlimited"]
