"""What an audit looks at, and how closely: the suites, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from notbugs.audits.spectral import heat_frequencies
from notbugs.audits.suites import SUITES
from notbugs.errors import NotbugsError, unknown
from notbugs.shifts import COMMON, CORRUPTIONS, Band, BandNoise, Corruption, Shift

SECTIONS = ("adversarial", "corruption", "frequency", "reliance", "features", "regions", "saliency")
"""What an audit may consist of, in the order of its report."""


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """How closely an audit looks. `attacks` is the name of a suite of attacks, `norms` whether the nearest
    adversarial images are looked for; corruptions are tried at every severity with each of `draws` seeds; a heat map
    has at most `vectors` Fourier basis vectors (0: none) on `heat_images` images; at most `units` single features are
    asked, each attacked on `unit_images` images. Raises NotbugsError for names that
    there are not.

    >>> PLANS["quick"].attacks, len(PLANS["standard"].corruptions)
    ('quick', 15)
    """

    attacks: str
    norms: bool = True
    corruptions: Sequence[str] = tuple(COMMON)
    severities: Sequence[float] = (1, 2, 3, 4, 5)
    draws: int = 1
    vectors: int = 600
    heat_images: int = 200
    units: int = 64
    unit_images: int = 40
    sections: Sequence[str] = SECTIONS

    def __post_init__(self) -> None:
        if self.attacks not in SUITES:
            raise unknown("suite of attacks", self.attacks, SUITES)
        for section in self.sections:
            if section not in SECTIONS:
                raise unknown("section", section, SECTIONS)
        if not self.sections:
            raise NotbugsError(f"an audit needs a section at least (known: {', '.join(SECTIONS)})")

    def corruption_shifts(self) -> Mapping[str, Mapping[str, Shift]]:
        """Every severity of each corruption."""
        return {
            name: {f"{one:g}": Corruption(name, float(one)) for one in self.severities}
            for name in self.corruptions
        }


PLANS = {
    "quick": Plan(attacks="quick", norms=False, severities=(3,), vectors=0, units=32, unit_images=20),
    "standard": Plan(attacks="fast"),
    "full": Plan(
        attacks="standard",
        corruptions=tuple(CORRUPTIONS),
        draws=3,
        vectors=2000,
        heat_images=1000,
        units=10_000,
        unit_images=100,
    ),
}
"""The suites: minutes, a quarter of an hour, hours for a network of CIFAR's size on two cores."""


def frequency_shifts(height: int, width: int, norm: float) -> dict[str, dict[str, Shift]]:
    """Filters and noise of growing bands, up to the finest patterns that images of this size hold.

    The noise has the L2 length `norm`, all channels together, whatever the band.

    >>> [str(shift) for shift in frequency_shifts(32, 32, 4.0)["filter.low"].values()]
    ['low:2', 'low:4', 'low:6', 'low:8', 'low:10', 'low:12', 'low:16']
    """
    finest = min(height, width) / 2
    shares = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0)
    cuts = list(dict.fromkeys(max(1, round(share * finest)) for share in shares))
    low, high = {f"{cut}": Band(high=cut) for cut in cuts}, {f"{cut}": Band(low=cut) for cut in cuts}
    return {
        "filter.low": dict(low),
        "filter.high": dict(high),
        "noise.low": {cut: BandNoise(band, norm) for cut, band in low.items()},
        "noise.high": {cut: BandNoise(band, norm) for cut, band in high.items()},
    }


def heat_step(height: int, width: int, vectors: int) -> int:
    """The smallest spacing of frequencies that leaves a heat map at most so many vectors."""
    step = 1
    while len(heat_frequencies(height, width, step=step)) > vectors:
        step += 1
    return step


__all__ = ["PLANS", "SECTIONS", "Plan", "frequency_shifts", "heat_step"]
