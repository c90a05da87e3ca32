"""Changes that do not look at the model: corruptions, frequencies, families of features taken away."""

from notbugs.shifts.appearance import OnlyColour, Shuffled, WithoutColour, WithoutTexture
from notbugs.shifts.corruptions import COMMON, CORRUPTIONS, EXTRA, Corruption
from notbugs.shifts.fourier import (
    Band,
    all_frequencies,
    at_unit_variance,
    fourier_basis,
    half_plane,
    mirrored,
    parse_band,
    radii,
)
from notbugs.shifts.noise import BandNoise
from notbugs.shifts.shift import Shift
from notbugs.shifts.written import parse_shift

__all__ = [
    "Shift",
    "parse_shift",
    "Corruption",
    "COMMON",
    "EXTRA",
    "CORRUPTIONS",
    "Band",
    "parse_band",
    "BandNoise",
    "OnlyColour",
    "Shuffled",
    "WithoutColour",
    "WithoutTexture",
    "all_frequencies",
    "fourier_basis",
    "half_plane",
    "mirrored",
    "radii",
    "at_unit_variance",
]
