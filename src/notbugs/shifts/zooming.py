"""Zoom blur: the mean of an image and of ever larger ones of its middle, as one sparse matrix."""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor
from torch.nn import functional

from notbugs.shifts.draws import Draws
from notbugs.shifts.resizing import middle
from notbugs.shifts.severity import Parameters
from notbugs.tensors import Images


class Weights(NamedTuple):
    """Which pixels make a pixel, and how much of it: those of pixel p begin at `begins`[p]."""

    begins: Int32[Tensor, " pixels"]
    pixels: Int32[Tensor, " pairs"]
    shares: Float[Tensor, " pairs"]


def zoom_blur(images: Images, given: Parameters, draws: Draws) -> Images:
    """Each pixel drawn out along the line from the middle through it.

    The authors step through the factors with numpy.arange, which for three of ten severities takes one more than is
    written there; the table has the numbers that it takes.
    """
    height, width = images.shape[2:]
    weights = _weights(height, width, round(given[0]), given[1])
    begins, pixels, shares = (part.to(images.device) for part in weights)
    planes = images.flatten(0, 1)
    # All planes' values of a pixel side by side: each pair of pixels is then one step for all planes.
    table = planes.new_empty(height * width, len(planes))
    for number, plane in enumerate(planes):
        table[:, number] = plane.flatten()
    mixed = functional.embedding_bag(pixels, table, begins, mode="sum", per_sample_weights=shares.to(planes))
    return mixed.T.reshape(images.shape)


@lru_cache(maxsize=5)
def _weights(height: int, width: int, count: int, step: float) -> Weights:
    factors = (1.0, *(1 + number * (1 + step - 1) for number in range(count)))  # as numpy.arange counts
    pairs = []
    for factor in factors:
        (rows, row_shares), (columns, column_shares) = _taps(height, factor), _taps(width, factor)
        pixels = rows[:, None, :, None] * width + columns[None, :, None, :]  # (height, width, 2, 2)
        shares = row_shares[:, None, :, None] * column_shares[None, :, None, :] / len(factors)
        pairs.append(torch.stack([pixels.double(), shares], -1).flatten(0, 1).flatten(1, 2))
    pixels, shares = torch.cat(pairs, 1).unbind(-1)
    # The factors often meet in the same pixel.
    pixels, order = pixels.int().sort(1)
    shares = shares.gather(1, order).flatten()
    is_new = torch.ones_like(pixels, dtype=torch.bool)
    is_new[:, 1:] = pixels[:, 1:] != pixels[:, :-1]
    slots = is_new.flatten().cumsum(0) - 1
    merged = torch.zeros(int(slots[-1]) + 1, dtype=torch.float64).index_add_(0, slots, shares)
    begins = slots.view_as(pixels)[:, 0]
    return Weights(begins.int(), pixels[is_new], merged.float())


def _taps(size: int, factor: float) -> tuple[Int64[Tensor, "size 2"], Float[Tensor, "size 2"]]:
    """Between which two values each new one lies, and how much it has of each."""
    first, kept, large = middle(size, factor)
    new = torch.arange(size, dtype=torch.float64) + (large - size) // 2
    at = new * ((kept - 1) / max(large - 1, 1))
    below = at.floor().clamp_(max=max(kept - 2, 0))
    above = (below + 1).clamp_(max=kept - 1)
    share = at - below
    return first + torch.stack([below, above], 1).long(), torch.stack([1 - share, share], 1)


__all__ = ["zoom_blur"]
