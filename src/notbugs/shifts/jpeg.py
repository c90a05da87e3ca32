"""Baseline JPEG, there and back, of whole batches: what libjpeg does at a quality, without its entropy coding.

Colours are halved in resolution both ways (4:2:0) and brought back by the triangle filter, as libjpeg does by
default.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from notbugs.shifts.draws import Draws
from notbugs.shifts.severity import Parameters
from notbugs.tensors import Images

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_FINE = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
_CHROMA = (*((*row, 99, 99, 99, 99) for row in _FINE), *((99,) * 8 for _ in range(4)))
"""Quantisation at quality 50 (ITU-T T.81, annex K)."""

_AWAY = 1 + 5e-5
"""Halves, which are frequent, are rounded away from 0, and a product of matrices is not exact."""

_TO_YCC = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
_TO_RGB = ((0.0, 1.402), (-0.344136286, -0.714136286), (1.772, 0.0))
"""What the two chroma planes add to luma."""


def jpeg_compression(images: Images, given: Parameters, draws: Draws) -> Images:
    """Compressed at a quality from 1 to 100, and decompressed."""
    quality = round(given[0])
    height, width = images.shape[2:]
    bytes_ = (images * 255).round_()
    if images.shape[1] == 1:
        return _coded(bytes_, quality, _LUMA, 128).clamp_(0, 255).div_(255)
    to_ycc = torch.tensor(_TO_YCC, device=images.device)
    ycc = torch.matmul(to_ycc, bytes_.flatten(2)).round_().unflatten(2, (height, width))
    luma = _coded(ycc[:, :1], quality, _LUMA, 128).clamp_(0, 255).squeeze(1)
    quarter = _coded(_halved(ycc[:, 1:]), quality, _CHROMA, 0).clamp_(-128, 127)
    chroma = _doubled(quarter[:, :, : (height + 1) // 2, : (width + 1) // 2])
    blue, red = chroma[:, :, :height, :width].round_().unbind(1)
    result = bytes_
    for plane, (of_blue, of_red) in zip(result.unbind(1), _TO_RGB, strict=True):
        torch.add(luma, blue if of_blue else red, alpha=of_blue or of_red, out=plane)
        if of_blue and of_red:
            plane.add_(red, alpha=of_red)
    return result.round_().clamp_(0, 255).div_(255)


def _halved(planes: Tensor) -> Tensor:
    """Means of 2 x 2; sizes grow to whole 16 x 16 units before, by repeating the edge."""
    height, width = planes.shape[2:]
    if height % 16 or width % 16:
        planes = functional.pad(planes, (0, -width % 16, 0, -height % 16), mode="replicate")
    rows = planes[:, :, ::2] + planes[:, :, 1::2]
    quarter = (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)
    # A half is rounded down in one column, up in the next.
    up = torch.tensor([0.25, 0.5], device=planes.device).repeat(quarter.shape[3] // 2)
    return quarter.add_(up).floor_()


def _doubled(planes: Tensor) -> Tensor:
    """Each value becomes two by two, a quarter of the way to its neighbours."""
    count, channels, height, width = planes.shape
    wide = planes.new_empty(count, channels, height, width, 2)
    _towards_both_neighbours(planes, 3, wide.unbind(4))
    result = planes.new_empty(count, channels, height, 2, 2 * width)
    _towards_both_neighbours(wide.flatten(3), 2, result.unbind(3))
    return result.flatten(2, 3)


def _towards_both_neighbours(planes: Tensor, dim: int, out: Sequence[Tensor]) -> None:
    """A quarter of the way to the value before, and to the one after; beyond the border lies the last value."""
    last = planes.shape[dim] - 1
    earlier, later = planes.narrow(dim, 0, last), planes.narrow(dim, 1, last)
    towards_earlier, towards_later = out
    torch.lerp(later, earlier, 0.25, out=towards_earlier.narrow(dim, 1, last))
    torch.lerp(earlier, later, 0.25, out=towards_later.narrow(dim, 0, last))
    towards_earlier.select(dim, 0).copy_(planes.select(dim, 0))
    towards_later.select(dim, last).copy_(planes.select(dim, last))


def _coded(planes: Tensor, quality: int, table: tuple[tuple[int, ...], ...], middle: int) -> Tensor:
    """Whole numbers around `middle`, through the cosine transform of 8 x 8 blocks, its quantisation, and back."""
    count, channels, height, width = planes.shape
    if height % 8 or width % 16:
        planes = functional.pad(planes, (0, -width % 16, 0, -height % 8), mode="replicate")
    tall, wide = planes.shape[2:]
    down, across = (part.to(planes) for part in _transforms())
    steps = _steps(table, quality).to(planes).repeat(1, wide // 8)
    less = torch.zeros_like(steps)
    less[0, ::8] = -8.0 * _AWAY * middle / steps[0, 0]  # the first coefficient is 8 times the mean
    # Two buffers in turn: what a third one would hold does not fit in a core's cache.
    one = torch.matmul(down, planes.reshape(-1, 8, wide))
    two = torch.mm(one.view(-1, 16), across.T).view_as(one)
    torch.addcmul(less, two, _AWAY / steps, out=two).round_().mul_(steps)
    torch.mm(two.view(-1, 16), across, out=one.view(-1, 16))
    decoded = torch.matmul(down.T, one, out=two)
    return decoded.view(count, channels, tall, wide).add_(middle).round_()[:, :, :height, :width]


@cache
def _transforms() -> tuple[Float[Tensor, "8 8"], Float[Tensor, "16 16"]]:
    """The transform of a column of a block, and of the rows of two: products of larger matrices take longer."""
    return _cosines().float(), torch.block_diag(_cosines(), _cosines()).float()


@cache
def _cosines() -> Float[Tensor, "8 8"]:
    """The orthonormal discrete cosine transform of 8 values."""
    k, x = torch.arange(8, dtype=torch.float64)[:, None], torch.arange(8, dtype=torch.float64)[None, :]
    rows = torch.cos(math.pi * k * (2 * x + 1) / 16) / 2
    rows[0] /= math.sqrt(2)
    return rows


@cache
def _steps(table: tuple[tuple[int, ...], ...], quality: int) -> Float[Tensor, "8 8"]:
    """libjpeg's quantisation at a quality."""
    quality = min(max(quality, 1), 100)
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return torch.tensor(table).mul_(percent).add_(50).div_(100, rounding_mode="floor").clamp_(1, 255).double()


__all__ = ["jpeg_compression"]
