"""Canny's edges and the distance to the nearest edge, of whole batches, in small whole numbers.

Conditions are numbers too, 0 and 1 of the type at hand: so a processor compares and chooses many at a time.
"""

import torch
from jaxtyping import Float, Int16, UInt8
from torch import Tensor
from torch.nn import functional

Planes = Float[Tensor, "images height width"]
Edges = UInt8[Tensor, "images height width"]
Slopes = Int16[Tensor, "images height width"]


def edges(bytes_: Planes, *, low: float, high: float) -> Edges:
    """Canny's edges of whole numbers from 0 to 255, by the sum of absolute Sobel slopes: 1 on an edge, else 0."""
    framed = functional.pad(bytes_[:, None], (1, 1, 1, 1), mode="replicate")[:, 0].short()
    tall = framed[:, :-2] + framed[:, 2:] + 2 * framed[:, 1:-1]
    wide = framed[:, :, :-2] + framed[:, :, 2:] + 2 * framed[:, :, 1:-1]
    across, down = tall[:, :, 2:] - tall[:, :, :-2], wide[:, 2:] - wide[:, :-2]
    size = across.abs() + down.abs()
    possible = _peaks(size, across, down).bitwise_and_(size.clone().gt_(low)).to(torch.uint8)
    sure = size.gt_(high).to(torch.uint8) & possible
    while True:  # what touches an edge and is possible is an edge
        grown = sure
        for _ in range(4):
            grown = _spread(_spread(grown, 2), 1) & possible
        if torch.equal(grown, sure):
            return sure
        sure = grown


def _peaks(size: Slopes, across: Slopes, down: Slopes) -> Slopes:
    """1 where the slope is greatest along its direction, of the four there are."""
    around = functional.pad(size, (1, 1, 1, 1))
    height, width = size.shape[1:]

    def above(one: tuple[int, int], other: tuple[int, int], *, ties: bool) -> Tensor:
        """Greater than the neighbour `one` and than `other`, or equal to that."""
        first, last = (around[:, 1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in (one, other))
        return (size - torch.maximum(first, last - 1 if ties else last)).gt_(0)

    tall, wide = down.abs(), across.abs()
    # The tangent of 22.5 degrees is 12/29, to 0.1 %.
    flat = (29 * tall).le_(12 * wide)
    steep = (12 * tall).ge_(29 * wide)
    falling = (across ^ down).lt_(0)
    slanted = 1 - torch.maximum(flat, steep)
    peaks = flat & above((0, -1), (0, 1), ties=True)
    peaks |= steep & above((-1, 0), (1, 0), ties=True)
    peaks |= slanted & falling & above((-1, 1), (1, -1), ties=False)
    peaks |= slanted & (1 - falling) & above((-1, -1), (1, 1), ties=False)
    return peaks


def _spread(marks: Edges, dim: int) -> Edges:
    """To the next pixels along an axis."""
    size = marks.shape[dim] - 1
    wider = marks.clone()
    wider.narrow(dim, 1, size).bitwise_or_(marks.narrow(dim, 0, size))
    wider.narrow(dim, 0, size).bitwise_or_(marks.narrow(dim, 1, size))
    return wider


def distances(marks: Edges, *, limit: int) -> Planes:
    """From each pixel to the nearest edge, at most `limit`: first along rows, then by Pythagoras along columns."""
    width, height = marks.shape[2], marks.shape[1]
    along = (1 - marks) * limit
    step = 1
    while step < min(limit, width):  # within 1, 3, 7, 15, ... pixels
        farther = along + step
        for to, source in ((slice(step, None), slice(-step)), (slice(-step), slice(step, None))):
            nearer = along[:, :, to]
            torch.minimum(nearer, farther[:, :, source], out=nearer)
        step *= 2
    squares = along.short().square_()
    nearest = squares.clone()
    for step in range(1, min(limit, height)):
        farther = squares + step * step
        for to, source in ((slice(step, None), slice(-step)), (slice(-step), slice(step, None))):
            nearer = nearest[:, to]
            torch.minimum(nearer, farther[:, source], out=nearer)
        if step % 4 == 0 and nearest.amax() <= step * step:
            break
    return nearest.float().sqrt_()


__all__ = ["Planes", "distances", "edges"]
