"""Shifts as people write them."""

from notbugs.errors import NotbugsError
from notbugs.numerals import parse_count, parse_number
from notbugs.shifts.appearance import OnlyColour, Shuffled, WithoutColour, WithoutTexture
from notbugs.shifts.corruptions import CORRUPTIONS, Corruption
from notbugs.shifts.fourier import parse_band
from notbugs.shifts.noise import BandNoise
from notbugs.shifts.shift import Shift


def parse_shift(text: str) -> Shift:
    """A shift written as fog:3 (fog:3:imagenet: of that table), low:8, high:12, band:4-10, noise:4@low:8, shuffled:4,
    without-texture:5, without-colour or only-colour.

    Raises NotbugsError if the text is none of these.

    >>> parse_shift("fog:2.5"), str(parse_shift("noise:4@band:4-10"))
    (Corruption(name='fog', severity=2.5, table=None), 'noise:4@band:4-10')
    """
    name, colon, rest = text.partition(":")
    if name in CORRUPTIONS:
        severity, _, table = rest.partition(":")
        given = {"table": table} if table else {}
        return Corruption(name, parse_number(severity, "severity") if colon else 3.0, **given)  # type: ignore[arg-type]
    if name.removesuffix("-square") in ("low", "high", "band"):
        return parse_band(text)
    if name == "noise" and "@" in rest:
        norm, _, band = rest.partition("@")
        return BandNoise(parse_band(band), parse_number(norm, "the norm of noise"))
    plain = {"without-colour": WithoutColour, "only-colour": OnlyColour}
    if text in plain:
        return plain[text]()
    counted = {"shuffled": Shuffled, "without-texture": WithoutTexture}
    if name in counted and (not colon or rest.isdecimal()):
        return counted[name](parse_count(rest, name)) if colon else counted[name]()
    raise NotbugsError(
        f"{text!r} is no shift; write a corruption (fog:3), a filter (low:8, high:12, band:4-10), noise:4@low:8, "
        "shuffled:4, without-texture:5, without-colour or only-colour"
    )


__all__ = ["parse_shift"]
