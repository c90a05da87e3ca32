"""The nearest point of an L1 ball and the pixel box together (Croce & Hein 2021, arXiv 2103.01208, section 3).

Not of one after the other: a point drawn into the ball and then into the box has given away a part of its budget.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.tensors import Images, PerExample

Rows = Float[Tensor, "batch values"]
Column = Float[Tensor, "batch 1"]


def into_l1_balls(images: Images, centers: Images, radii: PerExample) -> Images:
    """The nearest images (in L2) in the box whose absolute changes from centers[i] add up to at most radii[i].

    Centres lie in the box; a radius may be 0 or infinite. By the KKT conditions each value moves from its centre by
    clamp(|change| - level, 0, room), where room is what the box leaves it, with the smallest level >= 0 at which
    these add up to at most the radius.

    >>> centers = torch.full((1, 1, 1, 2), 0.5)
    >>> into_l1_balls(centers + torch.tensor([0.375, 0.25]), centers, torch.tensor([0.25]))
    tensor([[[[0.6875, 0.5625]]]])
    """
    flat, flat_centers = images.flatten(1), centers.flatten(1)
    projected = flat.clamp(0, 1)
    spent = (projected - flat_centers).abs_().sum(1)
    outside = (spent > radii).nonzero()[:, 0]
    if len(outside) > 0:
        projected[outside] = _lowered(flat[outside], flat_centers[outside], radii[outside, None])
    return projected.view_as(images)


def _lowered(points: Rows, centers: Rows, radii: Column) -> Rows:
    changes = points - centers
    # Aimed a hair inside the ball, where rounding does not lead out of it.
    aim, slack = radii * (1 - 5e-7), radii * 5e-7
    room = (changes.sign().clamp_min_(0) - centers).abs_()
    # The level is taken off bit by bit: beside a large change a small step of it would be lost in rounding.
    rest = changes.abs()
    low, high = torch.zeros_like(aim), rest.amax(1, keepdim=True)  # bounds of what is still to come off
    for _ in range(100):  # Newton's step where it stays between the bounds, else half way; 5 to 10 rounds
        moved = torch.minimum(rest.clamp_min(0), room)
        excess = moved.sum(1, keepdim=True) - aim
        solved = (excess.abs() <= slack) | (radii == 0)
        if bool(solved.all()):
            break
        free = (room - moved).mul_(moved).sign_().sum(1, keepdim=True)
        low, high = torch.where(excess > 0, 0, low), torch.where(excess > 0, high, 0)
        step = excess / free
        step = torch.where((low < step) & (step < high), step, (low + high) / 2)
        step = torch.where(solved, 0, step)
        rest, low, high = rest - step, low - step, high - step
    moved *= radii > 0
    projected = centers + changes.sign() * moved
    # Where many equal values are rounded alike, their sum may lead out all the same.
    outside = ((projected - centers).abs_().sum(1) > radii[:, 0]).nonzero()[:, 0]
    if len(outside) > 0:
        far, near = projected[outside], centers[outside]
        too_far = (far - near).abs_() > moved[outside]
        projected[outside] = torch.where(too_far, far.nextafter(near), far)
    return projected


def open_to(signs: Rows, points: Rows) -> Rows:
    """1 where a value may move the way of its sign (1 or -1), 0 where a wall of the box stops it.

    Numbers and no mask: a product passes NaN on, which where() would take for a flat gradient.

    >>> open_to(torch.tensor([[1.0, -1.0, 1.0]]), torch.tensor([[1.0, 0.5, 0.0]]))
    tensor([[0., 1., 1.]])
    """
    return (signs.clamp_min(0) - points).sign_().abs_()


__all__ = ["into_l1_balls", "open_to"]
