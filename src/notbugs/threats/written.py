"""Threats as people write them: l2:0.5, linf:8/255, l2:2@band:10-16."""

import math

from notbugs.errors import NotbugsError, unknown
from notbugs.numerals import parse_number
from notbugs.threats.families import parse_family
from notbugs.threats.norms import L1, L2, Linf
from notbugs.threats.restricted import Restricted
from notbugs.threats.threat import Threat

THREATS: dict[str, type[Threat]] = {"linf": Linf, "l2": L2, "l1": L1}
_EXAMPLES = {"linf": "8/255", "l2": "0.5", "l1": "12"}


def as_threat(threat: object) -> Threat:
    """A threat, or the text of one. Raises NotbugsError if it is neither, and for an eps that counts levels of 255.

    >>> as_threat("l2:0.5"), as_threat(L2(0.5))
    (L2(eps=0.5), L2(eps=0.5))
    """
    if isinstance(threat, Threat):
        size = f"{threat.eps:g}"
        return _in_pixels(threat, f"Linf({size})", f"; is Linf({size} / 255), linf:{size}/255, meant?")
    if isinstance(threat, str):
        return parse_threat(threat)
    raise NotbugsError(f"the threat is {type(threat).__name__}; write it like L2(0.5) or 'l2:0.5'")


def parse_threat(text: str) -> Threat:
    """A threat written as NORM:EPS, in pixel units of [0, 1], or NORM:EPS@FAMILY (`parse_family`).

    Raises NotbugsError if the text is none.

    >>> parse_threat("linf:8/255"), parse_threat("l2:0.5"), parse_threat("l1:12")
    (Linf(eps=0.03137254901960784), L2(eps=0.5), L1(eps=12.0))
    """
    ball, at, family = text.partition("@")
    if at:
        return Restricted(parse_threat(ball), parse_family(family))
    norm, _, size = text.partition(":")
    if norm not in THREATS:
        raise unknown("threat", norm, THREATS)
    if not size:
        raise NotbugsError(f"threat {text!r} has no size; write it like {norm}:{_EXAMPLES[norm]}")
    eps = parse_number(size, "eps")
    if eps <= 0:
        raise NotbugsError(f"eps must be positive in {text!r} (pixel values lie in [0, 1])")
    return _in_pixels(THREATS[norm](eps), text, "" if "/" in size else f"; is linf:{size}/255 meant?")  # type: ignore[call-arg]


def _in_pixels(threat: Threat, written: str, meant: str) -> Threat:
    """The threat, unless its eps counts levels of 255."""
    if isinstance(threat, Linf) and 1 < threat.eps < math.inf:
        raise NotbugsError(f"eps above 1 in {written!r}: pixel values lie in [0, 1]{meant}")
    return threat


__all__ = ["THREATS", "as_threat", "parse_threat"]
