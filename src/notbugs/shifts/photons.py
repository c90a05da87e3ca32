"""Shot noise: counts of photons, by a table made for the 256 levels that pictures are stored in.

A draw u of 24 bits becomes the count n with F(n - 1) <= u < F(n), F being the distribution function of the level's
Poisson law. Its first 10 bits choose one of 1024 cells. In nearly all of them at most one step of F lies, and one
number says which counts are on its sides and where it is: n + 1 - place. What remains of u, added, passes the next
whole number exactly if u lies beyond the step.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.shifts.draws import Draws
from notbugs.shifts.severity import Parameters
from notbugs.tensors import Images

_LEVELS = 256
_CELL_BITS, _REST_BITS = 10, 14
_CELLS, _RESTS = 1 << _CELL_BITS, 1 << _REST_BITS
_MANY_STEPS = -1e6
_RUN = 64
_SLACK = 1e-3
"""Values so near a level, in levels, count as that level: stored in float32 they are not quite k/255."""


class Table(NamedTuple):
    """`counts`: see above, or far below 0 where a cell has more than one step; `steps`: 2^24 (level + F(n))."""

    counts: Float[Tensor, " levels*cells"]
    steps: Float[Tensor, " levels*width"]
    width: int


def shot_noise(images: Images, given: Parameters, draws: Draws) -> Images:
    """So many photons count as 1; each value is a count of them."""
    (photons,) = given
    levels = (images * (_LEVELS - 1)).add_(_SLACK).floor_()
    counts = _counted(levels, float(photons), draws)
    # A value between two levels is the lower one's photons and some more: sums of Poisson counts are Poisson counts.
    more = (images * (_LEVELS - 1)).sub_(levels)
    if more.amax() > 2 * _SLACK:
        counts += draws.poisson(more.mul_(more > 2 * _SLACK).mul_(photons / (_LEVELS - 1)))
    return counts.div_(photons)


def _counted(levels: Images, photons: float, draws: Draws) -> Images:
    """A count for each value, a whole number from 0 to 255."""
    table = _table(photons)
    bits = draws.bits(*levels.shape[1:], dtype=torch.int32)
    cells = levels.int().bitwise_left_shift_(_CELL_BITS)
    cells += (bits >> _REST_BITS).bitwise_and_(_CELLS - 1)
    rest = bits.bitwise_and(_RESTS - 1).float().mul_(1 / _RESTS)
    counts = table.counts.to(levels.device).index_select(0, cells.flatten()).add_(rest.flatten()).floor_()
    # Only one value in hundreds lies in a cell with more steps: short runs that hold one are looked through.
    runs = counts[: len(counts) // _RUN * _RUN].view(-1, _RUN).amin(1)
    open_runs = (runs < 0).nonzero().flatten()
    near = (open_runs[:, None] * _RUN + torch.arange(_RUN, device=levels.device)).flatten()
    near = torch.cat([near, torch.arange(len(runs) * _RUN, len(counts), device=levels.device)])
    left = near[counts[near] < 0]
    level = levels.flatten()[left].double()
    draw = bits.flatten()[left].bitwise_and((1 << (_CELL_BITS + _REST_BITS)) - 1)
    found = torch.searchsorted(table.steps.to(levels.device), level * _CELLS * _RESTS + draw, right=True)
    counts[left] = (found - level * table.width).float()
    return counts.view_as(levels)


@lru_cache(maxsize=16)
def _table(photons: float) -> Table:
    rates = torch.arange(_LEVELS, dtype=torch.float64)[:, None] * (photons / (_LEVELS - 1))
    width = int(photons + 8 * photons**0.5) + 16
    numbers = torch.arange(width, dtype=torch.float64)[None, :]
    chances = torch.exp(torch.xlogy(numbers, rates) - rates - torch.lgamma(numbers + 1))
    distribution = chances.cumsum(1).clamp_(max=1)
    distribution[:, -1] = 1
    steps = torch.ceil(distribution * (_CELLS * _RESTS))  # u, in such units, is a whole number
    begins = (torch.arange(_CELLS, dtype=torch.float64) * _RESTS).expand(_LEVELS, -1).contiguous()
    count = torch.searchsorted(steps, begins, right=True)
    beyond = torch.searchsorted(steps, begins + (_RESTS - 1), right=True)
    place = (steps.gather(1, count.clamp(max=width - 1)) - begins).clamp_(max=_RESTS)
    counts = (count + 1 - place / _RESTS).masked_fill_(beyond > count + 1, _MANY_STEPS)
    above = torch.arange(_LEVELS, dtype=torch.float64)[:, None] * (_CELLS * _RESTS)
    return Table(counts.float().flatten(), (steps + above).flatten(), width)


__all__ = ["shot_noise"]
