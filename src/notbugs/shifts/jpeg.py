"""Baseline JPEG, there and back, of whole batches: what libjpeg does at a quality, without its entropy coding.

Colours are halved in resolution both ways (4:2:0) and brought back by the triangle filter, as libjpeg does by
default.
"""

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from notbugs.shifts.draws import Draws
from notbugs.shifts.resizing import along_both, doubling_axis, halving_axis
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

_HALF = 0.5001
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
    if images.shape[1] == 1:
        return _coded((images * 255).round_(), quality, _LUMA, 128).clamp_(0, 255).div_(255)
    ycc = _mixed((images * 255).round_(), _TO_YCC).round_()
    luma = _coded(ycc[:, :1], quality, _LUMA, 128).clamp_(0, 255)
    # Sizes grow to whole 16 x 16 units by repeating the edge before colours are averaged.
    tall, wide = (8 * -(-size // 16) for size in (height, width))
    quarter = along_both(ycc[:, 1:], halving_axis(height, tall), halving_axis(width, wide))
    # A half is rounded down in one column, up in the next.
    quarter = quarter.add_(torch.tensor([0.25, 0.5], device=images.device).repeat(wide // 2)).floor_()
    kept = (height + 1) // 2, (width + 1) // 2
    quarter = _coded(quarter, quality, _CHROMA, 0)[:, :, : kept[0], : kept[1]].clamp_(-128, 127)
    chroma = along_both(quarter, doubling_axis(kept[0], height), doubling_axis(kept[1], width)).round_()
    return _mixed(chroma, _TO_RGB).add_(luma).round_().clamp_(0, 255).div_(255)


def _mixed(images: Images, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    mixed = images.new_empty(len(images), len(matrix), *images.shape[2:])
    first, *others = images.unbind(1)
    for plane, (share, *shares) in zip(mixed.unbind(1), matrix, strict=True):
        torch.mul(first, share, out=plane)
        for other, its in zip(others, shares, strict=True):
            plane.add_(other, alpha=its)
    return mixed


def _coded(plane: Tensor, quality: int, table: tuple[tuple[int, ...], ...], middle: int) -> Tensor:
    """Whole numbers around `middle`, through the cosine transform of 8 x 8 blocks, its quantisation, and back."""
    count, channels, height, width = plane.shape
    if height % 8 or width % 8:
        plane = functional.pad(plane, (0, -width % 8, 0, -height % 8), mode="replicate")
    tall, wide = plane.shape[2:]
    forth, back = (matrix.to(plane) for matrix in _transforms(table, quality))
    blocks = plane.reshape(-1, tall // 8, 8, wide // 8, 8).transpose(2, 3).reshape(-1, 64)
    coefficients = (blocks - middle) @ forth
    halves = torch.copysign(torch.tensor(_HALF, device=plane.device), coefficients)
    decoded = coefficients.add_(halves).trunc_() @ back
    decoded = decoded.add_(middle).round_().view(-1, tall // 8, wide // 8, 8, 8).transpose(2, 3)
    return decoded.reshape(count, channels, tall, wide)[:, :, :height, :width]


@cache
def _transforms(
    table: tuple[tuple[int, ...], ...], quality: int
) -> tuple[Float[Tensor, "64 64"], Float[Tensor, "64 64"]]:
    """From 64 values to 64 coefficients in units of their steps, and back."""
    both = torch.kron(_cosines(), _cosines())
    steps = _steps(table, quality).flatten()
    return (both / steps[:, None]).T.float().contiguous(), (both * steps[:, None]).float()


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
