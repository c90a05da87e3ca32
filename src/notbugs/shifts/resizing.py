"""Linear maps of one axis, as matrices: what blurs and resizes an image, row by row and column by column."""

import math
from dataclasses import dataclass
from functools import cache
from typing import final

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor
from torch.nn import functional

from notbugs.tensors import Images

_SMALL, _MANY = 64, 64
"""A longer axis is mapped term by term if its rows have fewer terms than `_MANY`."""


@final
@dataclass(frozen=True)
class Axis:
    """A matrix that maps one axis of images, whole and as a list of what is not 0 in it, row after row."""

    matrix: Float[Tensor, "new old"]
    begins: Int32[Tensor, " new"]
    columns: Int32[Tensor, " count"]
    entries: Float[Tensor, " count"]


def axis_of(matrix: Float[Tensor, "new old"]) -> Axis:
    """See `Axis`."""
    row, column = matrix.nonzero(as_tuple=True)
    begins = torch.searchsorted(row, torch.arange(len(matrix)))
    return Axis(matrix, begins.int(), column.int(), matrix[row, column])


def along_both(images: Images, down: Axis, across: Axis) -> Tensor:
    """down @ image @ across.T, for every image and channel."""
    planes = images.flatten(0, 1)
    if max(images.shape[2:]) <= _SMALL:
        mapped = down.matrix.to(planes) @ planes @ across.matrix.to(planes).T
    elif len(down.matrix) < images.shape[2]:  # what shrinks an image comes first
        mapped = _along_rows(_along_columns(planes, down), across)
    else:
        mapped = _along_columns(_along_rows(planes, across), down)
    return mapped.unflatten(0, images.shape[:2])


def _along_columns(planes: Float[Tensor, "planes height width"], down: Axis) -> Tensor:
    count, height, width = planes.shape
    if len(down.entries) >= _MANY * len(down.matrix):
        return down.matrix.to(planes) @ planes
    plane = torch.arange(count, dtype=torch.int32, device=planes.device)[:, None]
    begins, columns, entries = (part.to(planes.device) for part in (down.begins, down.columns, down.entries))
    lines = functional.embedding_bag(
        (columns + plane * height).flatten(),
        planes.reshape(-1, width),
        (begins + plane * len(columns)).flatten(),
        mode="sum",
        per_sample_weights=entries.to(planes).repeat(count),
    )
    return lines.view(count, -1, width)


def _along_rows(planes: Float[Tensor, "planes height width"], across: Axis) -> Tensor:
    if len(across.entries) >= _MANY * len(across.matrix):
        return planes @ across.matrix.to(planes).T
    return _along_columns(planes.mT.contiguous(), across).mT.contiguous()


@cache
def gaussian_axis(size: int, sigma: float, *, border: str, reach: float = 4.0) -> Axis:
    """Convolution with a Gaussian cut off at `reach` sigma. Beyond the border lies its last value (`nearest`) or the
    mirror image of the inside, that value included (`reflect`).
    """
    radius = int(reach * sigma + 0.5)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma).square()) if sigma > 0 else torch.ones(1, dtype=torch.float64)
    weights = weights / weights.sum()
    to = torch.arange(size)[:, None] + steps.long()[None, :]
    if border == "nearest":
        to = to.clamp(0, size - 1)
    else:
        to = to.remainder(2 * size)
        to = torch.where(to < size, to, 2 * size - 1 - to)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    return axis_of(matrix.scatter_add_(1, to, weights.expand(size, -1)).float())


@cache
def box_axis(size: int, new: int) -> Axis:
    """Each new value is the mean of the old ones whose centres lie in its interval, as Pillow's BOX filter has it."""
    scale = size / new
    reach = 0.5 * max(scale, 1.0)
    matrix = torch.zeros(new, size, dtype=torch.float64)
    for row in range(new):
        center = (row + 0.5) * scale
        first = max(int(center - reach + 0.5), 0)
        last = min(int(center + reach + 0.5), size)
        at = (torch.arange(first, last, dtype=torch.float64) - center + 0.5) / max(scale, 1.0)
        inside = ((at > -0.5) & (at <= 0.5)).double()
        matrix[row, first:last] = inside / inside.sum()
    return axis_of(matrix.float())


@cache
def nearest(size: int, new: int, device: torch.device) -> Int64[Tensor, " new"]:
    """Which old value each new one is, the one whose interval its centre lies in."""
    return (
        ((torch.arange(new, dtype=torch.float64) + 0.5) * size / new).long().clamp_(max=size - 1).to(device)
    )


def framed(images: Images, width: int) -> Tensor:
    """With a frame so wide, which shows the mirror image, without the edge itself."""
    if width < min(images.shape[2:]):
        return functional.pad(images, (width,) * 4, mode="reflect")
    for dim in (2, 3):
        last = images.shape[dim] - 1
        at = torch.arange(-width, last + width + 1, device=images.device).abs() % max(2 * last, 1)
        images = images.index_select(dim, torch.minimum(at, 2 * last - at).clamp_(min=0))
    return images


def enlarged(images: Images, factor: float) -> Tensor:
    """The middle of each image, enlarged to the whole by linear interpolation from its first to its last value."""
    height, width = images.shape[2:]
    (top, tall, large), (left, wide, broad) = (middle(size, factor) for size in (height, width))
    part = images[:, :, top : top + tall, left : left + wide]
    whole = functional.interpolate(part, size=(large, broad), mode="bilinear", align_corners=True)
    above, before = (large - height) // 2, (broad - width) // 2
    return whole[:, :, above : above + height, before : before + width]


def middle(size: int, factor: float) -> tuple[int, int, int]:
    """Which values an enlarged axis shows, from where and how many, and how many they become."""
    kept = math.ceil(size / factor)
    return (size - kept) // 2, kept, max(round(kept * factor), size)


__all__ = [
    "Axis",
    "along_both",
    "axis_of",
    "box_axis",
    "enlarged",
    "framed",
    "gaussian_axis",
    "nearest",
    "middle",
]
