"""Frequencies of images: bands and their filters, the real Fourier basis, and how a filtered image is shown.

A frequency is counted in cycles per image along each axis, scaled on oblong images to the shorter side, so that a
band holds patterns of the same size in pixels in every direction. Two shapes of band are in use and they differ:
radial ones (Wang et al. 2020, arXiv 1905.13545) hold all patterns of a size, square ones (Yin et al. 2019, arXiv
1906.08988) reach further along the diagonals. Both are symmetric about frequency 0, so that what they keep is real.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from notbugs.errors import NotbugsError, unknown
from notbugs.numerals import shortest
from notbugs.shifts.shift import Shift
from notbugs.tensors import Images

SHAPES = ("radial", "square")
GREY = 0.5


@final
@dataclass(frozen=True)
class Band(Shift):
    """The frequencies f with low <= f < high. Radial: f is the length of (row, column) frequency; square: the larger.

    `low:8` and `high:8` share no frequency and together hold all. Raises NotbugsError for a band without any width.

    >>> images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> low, high = parse_band("low:8"), parse_band("high:8")
    >>> bool((low.keep(images) + high.keep(images) - images).abs().max() < 1e-6)
    True
    """

    low: float = 0.0
    high: float = math.inf
    shape: Literal["radial", "square"] = "radial"

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise unknown("shape of a band", self.shape, SHAPES)
        if not 0 <= self.low < self.high:
            raise NotbugsError(f"a band needs 0 <= low < high, got {self.low:g} and {self.high:g}")

    def __str__(self) -> str:
        square = "-square" if self.shape == "square" else ""
        if self.low == 0:
            return f"low{square}:{shortest(self.high)}"
        if math.isinf(self.high):
            return f"high{square}:{shortest(self.low)}"
        return f"band{square}:{shortest(self.low)}-{shortest(self.high)}"

    def mask(
        self, height: int, width: int, device: torch.device | str = "cpu"
    ) -> Bool[Tensor, "height half"]:
        """Which coefficients of `torch.fft.rfft2` lie in the band."""
        rows, columns = _frequencies(height, width, device)
        columns = columns[: width // 2 + 1].abs()
        if self.shape == "square":
            f = torch.maximum(rows.abs()[:, None], columns[None, :])
        else:
            f = torch.hypot(rows[:, None], columns[None, :])
        return (f >= self.low) & (f < self.high)

    def keep(self, images: Images) -> Images:
        """What the images hold in the band: the nearest (in L2) images that hold nothing else."""
        height, width = images.shape[2:]
        spectrum = torch.fft.rfft2(images) * self.mask(height, width, images.device)
        return torch.fft.irfft2(spectrum, s=(height, width))

    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        """The filtered images for a model to see, in [0, 1]: around grey where the band lacks frequency 0.

        Raises NotbugsError if images of this size hold nothing in the band.
        """
        height, width = images.shape[2:]
        if not bool(self.mask(height, width).any()):
            raise NotbugsError(
                f"{self} holds nothing of images of {height} x {width} pixels: they have frequencies up to "
                f"{min(height, width) / 2:g} along an axis"
            )
        kept = self.keep(images)
        return (kept if self.low == 0 else kept + GREY).clamp_(0, 1)


_WRITTEN = re.compile(r"(low|high|band)(-square)?:([0-9.]+)(?:-([0-9.]+))?")


def parse_band(text: str) -> Band:
    """A band written as low:8 (below 8), high:12 (from 12 on) or band:4-10; low-square:8 and so on for square ones.

    Raises NotbugsError if the text is none.

    >>> parse_band("band:10-16"), str(parse_band("high-square:12"))
    (Band(low=10.0, high=16.0, shape='radial'), 'high-square:12')
    """
    found = _WRITTEN.fullmatch(text)
    wrong = NotbugsError(f"{text!r} is no band of frequencies; write it like low:8, high:12 or band:4-10")
    if not found or (found[1] == "band") != (found[4] is not None):
        raise wrong
    try:
        first, last = float(found[3]), float(found[4] or math.inf)
    except ValueError:
        raise wrong from None
    shape: Literal["radial", "square"] = "square" if found[2] else "radial"
    return Band(0.0, first, shape) if found[1] == "low" else Band(first, last, shape)


def fourier_basis(
    frequencies: Int[Tensor, "vectors 2"], height: int, width: int
) -> Float[Tensor, "vectors height width"]:
    """Real images of length 1 with one spatial frequency each: (row, column) in cycles per image, of either sign.

    cas(2 pi (i y / height + j x / width)) / sqrt(height width), cas = cos + sin: over all frequencies the Hartley
    basis, real, orthonormal, complete for odd and even, square and oblong images alike. The vector of (i, j) has the
    spectrum of the field's U_ij (Yin et al. 2019, section 2): 1/2 (1 - 1i) at (i, j), its conjugate at (-i, -j).

    >>> basis = fourier_basis(all_frequencies(4, 5), 4, 5).flatten(1)
    >>> torch.allclose(basis @ basis.T, torch.eye(20), atol=1e-6)
    True
    """
    exact = frequencies.double()
    y = torch.arange(height, dtype=torch.float64, device=frequencies.device) / height
    x = torch.arange(width, dtype=torch.float64, device=frequencies.device) / width
    # By the addition theorems two tables of one axis each do for all vectors.
    down, across = 2 * math.pi * exact[:, :1] * y, 2 * math.pi * exact[:, 1:] * x
    even = down.cos()[:, :, None] * (across.cos() + across.sin())[:, None, :]
    odd = down.sin()[:, :, None] * (across.cos() - across.sin())[:, None, :]
    return ((even + odd) / math.sqrt(height * width)).float()


def all_frequencies(height: int, width: int) -> Int[Tensor, "vectors 2"]:
    """(row, column) of every vector of the basis, row by row from the lowest (most negative) up."""
    rows, columns = _whole(height), _whole(width)
    return torch.cartesian_prod(rows, columns)


def half_plane(height: int, width: int) -> Int[Tensor, "vectors 2"]:
    """One frequency of each pair (i, j), (-i, -j), with frequency 0: a heat map is symmetric about it."""
    every = all_frequencies(height, width)
    i, j = every[:, 0], every[:, 1]
    mirrored_i, mirrored_j = _mirror(i, height), _mirror(j, width)
    first = (i > mirrored_i) | ((i == mirrored_i) & (j >= mirrored_j))
    return every[first]


def mirrored(height: int, width: int, frequencies: Int[Tensor, "vectors 2"]) -> Int[Tensor, "vectors 2"]:
    """(-i, -j), as `all_frequencies` counts it (the one of the highest frequency of an even size is itself)."""
    return torch.stack([_mirror(frequencies[:, 0], height), _mirror(frequencies[:, 1], width)], dim=1)


def radii(frequencies: Int[Tensor, "vectors 2"], height: int, width: int) -> Float[Tensor, " vectors"]:
    """How fine each pattern is: the length of its frequency, in cycles per shorter side, as bands count it.

    >>> radii(torch.tensor([[3, 4], [0, 8]]), 32, 64)
    tensor([3.6056, 4.0000])
    """
    scale = torch.tensor([min(height, width) / height, min(height, width) / width], dtype=torch.float64)
    return torch.linalg.vector_norm(frequencies.double().cpu() * scale, dim=1).float()


def at_unit_variance(images: Images, *, spread: float = 0.2) -> Images:
    """Images as filtered ones are displayed: each with mean 1/2 and standard deviation `spread`, clamped to [0, 1].

    What a high-pass filter leaves is nearly invisible otherwise (Yin et al. 2019, figure 1). An image of one colour
    is grey.
    """
    flat = images.flatten(1)
    deviation = flat.std(1, correction=0, keepdim=True)
    centered = flat - flat.mean(1, keepdim=True)
    scaled = centered * (spread / deviation.clamp_min(1e-6)) * (deviation > 1e-6)  # below lies rounding
    return (GREY + scaled).clamp_(0, 1).view_as(images)


def _whole(size: int) -> Int[Tensor, " size"]:
    """The frequencies of an axis in rising order: -2 -1 0 1 for 4 pixels, -2 -1 0 1 2 for 5."""
    return torch.arange(-(size // 2), size - size // 2)


def _mirror(frequency: Tensor, size: int) -> Tensor:
    return torch.where(2 * frequency == -size, frequency, -frequency)


def _frequencies(height: int, width: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Cycles per shorter side of each row and column of a spectrum, as the FFT orders them."""
    shorter = min(height, width)
    return tuple(torch.fft.fftfreq(size, 1 / shorter, device=device) for size in (height, width))


__all__ = [
    "Band",
    "all_frequencies",
    "at_unit_variance",
    "fourier_basis",
    "half_plane",
    "mirrored",
    "parse_band",
    "radii",
]
