"""The shortest way to a hyperplane inside the pixel box, in L1, L2 or L∞: what boundary attacks take steps of.

Croce & Hein 2020 (arXiv 1907.02044), equation 4. Every pixel moves the way that closes the gap, or not at all, and
the KKT conditions say how far: in L1 the steepest pixels go to their walls one after the other; in L2 and L∞ all
go together, min(level * pace, room), with a pace of |w| or of 1.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError
from notbugs.tensors import Images, PerExample

Flat = Float[Tensor, "batch pixels"]
Column = Float[Tensor, "batch 1"]


def shortest_change(images: Images, normals: Images, gaps: PerExample, order: float) -> Images:
    """For each image z the change d with the least p-norm (p = `order`: 1, 2 or inf) that reaches the plane,
    <w, d> + gap = 0, with z + d in [0, 1]; where the box does not reach it, the change that comes nearest to it.

    `gaps` are the values <w, z> + b at the images; images must lie in the box. Pixels of weight 0 stay.
    Raises NotbugsError for another order.

    >>> images, normals = torch.tensor([[0.2, 0.9]]).view(1, 1, 1, 2), torch.tensor([[3.0, 4.0]]).view(1, 1, 1, 2)
    >>> shortest_change(images, normals, torch.tensor([-1.4]), torch.inf).flatten()  # the second is stopped at 1
    tensor([0.3333, 0.1000])
    """
    if order not in (1, 2, math.inf):
        raise NotbugsError(f"no projection on a hyperplane in the norm of order {order} (known: 1, 2, inf)")
    flat, weights = images.flatten(1), normals.flatten(1)
    ways = weights.sign() * -gaps.sign()[:, None]
    room = (ways.clamp_min(0) - flat).abs_()  # to the wall that each pixel moves towards
    # In units of the largest weight: squares of the tiny gradients of a saturated model would underflow.
    slopes = weights.abs()
    largest = slopes.amax(1, keepdim=True).clamp_min(torch.finfo(slopes.dtype).tiny)
    slopes, wanted = slopes.div_(largest), gaps.abs()[:, None] / largest
    moved = _steepest_first(wanted, slopes, room) if order == 1 else _together(wanted, slopes, room, order)
    return (ways * moved).view_as(images)


def _steepest_first(wanted: Column, slopes: Flat, room: Flat) -> Flat:
    steepest = slopes.argsort(1, descending=True)
    slopes, room = slopes.gather(1, steepest), room.gather(1, steepest)
    gains = slopes * room
    missing = (wanted - gains.cumsum(1) + gains).clamp_min_(0)
    moved = torch.minimum(missing / slopes.clamp_min(torch.finfo(slopes.dtype).tiny), room)
    return torch.zeros_like(moved).scatter_(1, steepest, moved)


def _together(wanted: Column, slopes: Flat, room: Flat, order: float) -> Flat:
    """min(level * pace, room) with <slopes, that> = wanted, the level by Newton's method.

    The gain is concave and piecewise linear in the level, so Newton climbs to the answer from below and is exact
    as soon as it is on the right piece: two or three rounds, where sorting all pixels costs as much as the model.
    """
    pace = slopes if order == 2 else slopes.new_ones(1, 1)
    rates, gains = slopes * pace, slopes * room
    # Masks are numbers here: boolean ones, and minimum(), cost a CPU several times as much.
    free, level = room.sign(), torch.zeros_like(wanted)
    for _ in range(64):  # each round stops at least one more pixel
        speed = (rates * free).sum(1, keepdim=True)
        stopped = torch.addcmul(gains, gains, free, value=-1).sum(1, keepdim=True)
        higher = torch.where(speed > 0, (wanted - stopped) / speed, level).clamp_max_(1e30)
        if bool((higher <= level * (1 + 1e-6)).all()):
            break
        level = torch.maximum(level, higher)
        free = torch.addcmul(room, pace, level, value=-1).clamp_min_(0).sign_()
    return torch.minimum(pace * level, room)
