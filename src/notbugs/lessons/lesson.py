"""What a lesson is: a claim of the theory, formula beside experiment, and its pictures as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from notbugs.description import describe
from notbugs.proportion import Proportion

Style = Literal["line", "dashed", "points"]


@final
@dataclass(frozen=True, kw_only=True)
class Check:
    """A number by formula and by experiment, and how far apart they may be."""

    what: str
    formula: float
    found: float
    allowed: float
    by: str

    @property
    def holds(self) -> bool:
        """Not true of a number that is none, either."""
        return abs(self.formula - self.found) <= self.allowed

    def __str__(self) -> str:
        apart = f"{self.found:.5g} by {self.by}, {self.formula:.5g} by formula"
        return f"{self.what}: {apart}, {self.allowed:.2g} allowed"


@final
@dataclass(frozen=True, kw_only=True)
class Series:
    """A line or a cloud of points; without a label it goes with the one before. `low`, `high`: intervals of y."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: Style = "line"
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Panel:
    """A pair of axes. `log` names those that are logarithmic; `equal`: a unit is as long on both."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    log: Literal["", "x", "y", "xy"] = ""
    equal: bool = False


@final
@dataclass(frozen=True, kw_only=True)
class Chart:
    """Panels side by side under one heading."""

    title: str
    caption: str
    panels: Sequence[Panel]


@final
@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A claim with its source, what was found in sentences, the checks and the charts."""

    title: str
    source: str
    claim: str
    findings: Sequence[str]
    checks: Sequence[Check]
    charts: Sequence[Chart]

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = describe(self)
        return told

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> "Lesson":
        return Lesson(
            title=told["title"],
            source=told["source"],
            claim=told["claim"],
            findings=tuple(told["findings"]),
            checks=tuple(Check(**_fields(one)) for one in told["checks"]),
            charts=tuple(
                Chart(
                    title=chart["title"],
                    caption=chart["caption"],
                    panels=tuple(
                        Panel(**{**_fields(panel), "series": tuple(Series(**_fields(s)) for s in panel["series"])})
                        for panel in chart["panels"]
                    ),
                )
                for chart in told["charts"]
            ),
        )  # fmt: skip


def drawn(n: int) -> str:
    """Who found a number, for a check: 1 000 000 draws.

    >>> drawn(12_000).split()
    ['12', '000', 'draws']
    """
    return f"{n:,} draws".replace(",", "\N{NO-BREAK SPACE}").replace(" ", "\N{NO-BREAK SPACE}")


def in_percent(share: Proportion) -> str:
    """With its interval, for a sentence.

    >>> in_percent(Proportion(47, 50))
    '94 % [84, 98]'
    """
    low, high = share.interval
    return f"{100 * share.value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _fields(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "type"}


__all__ = ["Chart", "Check", "Lesson", "Panel", "Series", "Style", "drawn", "in_percent"]
