"""Threats: what an adversary may change. Geometry is a value with methods; budgets are in [0, 1] pixel units."""

from notbugs.threats.families import Colour, Family, MaskFile, Region, parse_family
from notbugs.threats.norms import L1, L2, Linf
from notbugs.threats.restricted import LEAK, Restricted
from notbugs.threats.threat import TOLERANCE, Threat
from notbugs.threats.written import THREATS, as_threat, parse_threat

__all__ = [
    "Threat",
    "TOLERANCE",
    "Linf",
    "L2",
    "L1",
    "THREATS",
    "parse_threat",
    "as_threat",
    "Restricted",
    "LEAK",
    "Family",
    "Region",
    "MaskFile",
    "Colour",
    "parse_family",
]
