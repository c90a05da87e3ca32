"""What a study should show: claims with their sources, each of which its numbers can refute."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, final

from notbugs.audits import Proportion
from notbugs.errors import NotbugsError
from notbugs.proportion import Z

Finding = Literal["agrees", "disagrees", "undecided"]

CHANCE = "chance"
"""What guessing gives: a number that claims may name beside the metrics."""


@final
@dataclass(frozen=True)
class Exact:
    """A number that is known: its interval is itself."""

    value: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.value, self.value


Numbers = Mapping[str, Proportion | Exact]
"""Metrics by name, and CHANCE."""


@final
@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A claim held against the numbers. `value` is positive where the claim holds; undecided where its 95 %
    interval leaves both open.
    """

    says: str
    source: str
    published: str
    found: str
    value: float
    interval: tuple[float, float]

    @property
    def finding(self) -> Finding:
        low, high = self.interval
        return "agrees" if low > 0 else "disagrees" if high < 0 else "undecided"


class Claim(ABC):
    """A statement about a study's numbers. Subclasses are final frozen values."""

    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it speaks of."""

    @abstractmethod
    def judged(self, measured: Numbers) -> Verdict:
        """What the numbers say of it."""

    @abstractmethod
    def unpublished(self) -> "Claim":
        """The same about other images than those that the published numbers are of."""


@final
@dataclass(frozen=True, kw_only=True)
class More(Claim):
    """`more` is larger than `less`, a metric or a number, and by more than `by`, which may be below 0; or, with
    `beyond`, by more than the first of two others is than the second.

    The interval of the difference is Newcombe's (1998, method 10; that of paired counts where what counts for one
    says something of the other: two answers of one model, of which an image gets one, or its standing after few
    steps and after more). Of two models on the same images it is mostly too wide. Another training moves a student
    by a point or two beyond it.

    >>> claim = More(says="better than guessing", more="a.clean", less=0.5, source="here")
    >>> verdict = claim.judged({"a.clean": Proportion(670, 1000)})
    >>> verdict.finding, verdict.found
    ('agrees', '67.0 against 50.0 %: +17.0 points [+14.0, +19.8]')
    """

    says: str
    more: str | float
    less: str | float
    source: str
    by: float = 0.0
    beyond: tuple[str, str] | None = None
    published: str = ""

    def metrics(self) -> tuple[str, ...]:
        named = (self.more, self.less, *(self.beyond or ()))
        return tuple(one for one in named if isinstance(one, str) and one != CHANCE)

    def unpublished(self) -> "More":
        return replace(self, published="")

    def judged(self, measured: Numbers) -> Verdict:
        gap, low, high = _difference(self.more, self.less, measured)
        found, unit = _said(self.more, self.less, measured), "points"
        if self.beyond:
            other, least, most = _difference(*self.beyond, measured)
            down, up = math.hypot(gap - low, most - other), math.hypot(high - gap, other - least)
            gap -= other
            low, high = gap - down, gap + up
            found, unit = f"{found}, the others {_said(*self.beyond, measured)}", "points more"
        return Verdict(
            says=self.says,
            source=self.source,
            published=self.published,
            found=f"{found}: {100 * gap:+.1f} {unit} [{100 * low:+.1f}, {100 * high:+.1f}]",
            value=gap - self.by,
            interval=(low - self.by, high - self.by),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Correlated(Claim):
    """Pairs of metrics rise together: Pearson's correlation of the families' means is positive, with Fisher's
    interval over families, and what it is when one of them is left out: one far from the others can make it.

    `families`: pairs that are no news beside each other, such as networks that differ by their width only, by the
    name of their family. Raises NotbugsError for fewer than five families.

    >>> families = {name: [(f"{name}.x", f"{name}.y")] for name in "abcde"}
    >>> found = {f"{name}.{end}": Proportion(n, 100) for n, name in enumerate("abcde") for end in "xy"}
    >>> Correlated(says="together", families=families, source="here").judged(found).found
    'correlation 1.00 [1.00, 1.00] over 5 families, 1.00 to 1.00 with one left out'
    """

    says: str
    families: Mapping[str, Sequence[tuple[str, str]]]
    source: str
    published: str = ""

    def __post_init__(self) -> None:
        if len(self.families) < 5:
            raise NotbugsError(
                f"{self.says}: a correlation takes 5 families or more, got {len(self.families)}"
            )

    def metrics(self) -> tuple[str, ...]:
        return tuple(name for pairs in self.families.values() for pair in pairs for name in pair)

    def unpublished(self) -> "Correlated":
        return replace(self, published="")

    def judged(self, measured: Numbers) -> Verdict:
        first, second = (
            [fmean(measured[pair[side]].value for pair in pairs) for pairs in self.families.values()]
            for side in (0, 1)
        )
        found, interval = correlation(first, second)
        low, high = interval
        without = [
            correlation([*first[:one], *first[one + 1 :]], [*second[:one], *second[one + 1 :]])[0]
            for one in range(len(first))
        ]
        return Verdict(
            says=self.says,
            source=self.source,
            published=self.published,
            found=f"correlation {found:.2f} [{low:.2f}, {high:.2f}] over {len(self.families)} families, "
            f"{min(without):.2f} to {max(without):.2f} with one left out",
            value=found,
            interval=interval,
        )


def correlation(first: Sequence[float], second: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Pearson's correlation and its 95 % interval (Fisher 1921); 0 where one of them does not vary.

    >>> found, (low, high) = correlation([1, 2, 3, 4, 5], [1, 3, 2, 5, 4])
    >>> round(found, 2), round(low, 2), round(high, 2)
    (0.8, -0.28, 0.99)
    """
    n = len(first)
    means = sum(first) / n, sum(second) / n
    apart = [[value - mean for value in values] for values, mean in zip((first, second), means, strict=True)]
    lengths = [math.sqrt(math.fsum(value * value for value in values)) for values in apart]
    if min(lengths) == 0:
        return 0.0, (-1.0, 1.0)
    found = math.fsum(a * b for a, b in zip(*apart, strict=True)) / (lengths[0] * lengths[1])
    if abs(found) >= 1 - 1e-12:
        return round(found, 12), (round(found, 12),) * 2
    middle, half = math.atanh(found), Z / math.sqrt(n - 3) if n > 3 else math.inf
    return found, (math.tanh(middle - half), math.tanh(middle + half))


@final
@dataclass(frozen=True, kw_only=True)
class Plot:
    """Metrics as lines: each a label and its points, (x, metric), where x is a number or another metric.

    `log`: the axes that are logarithmic. `joined`: whether the points of a line belong together in order.
    """

    title: str
    caption: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float | str, str]]]
    log: Literal["", "x"] = ""
    joined: bool = True

    def metrics(self) -> tuple[str, ...]:
        return tuple(
            name
            for points in self.lines.values()
            for pair in points
            for name in pair
            if isinstance(name, str)
        )


def _difference(more: str | float, less: str | float, measured: Numbers) -> tuple[float, float, float]:
    """Of two numbers, with the ends of Newcombe's interval."""
    (first, *ends), (second, *others) = _known(more, measured), _known(less, measured)
    together = _together(more, less, measured)

    def reach(one: float, other: float) -> float:
        return math.sqrt(one * one + other * other - 2 * together * one * other)

    gap = first - second
    low, high = reach(first - ends[0], others[1] - second), reach(ends[1] - first, second - others[0])
    return gap, gap - low, gap + high


ANSWERS = ("clean", "relabelled", "preceding")
"""Measures that count one answer of an image each: what counts for one does not count for another."""


def _together(first: str | float, second: str | float, measured: Numbers) -> float:
    """The correlation of two counts over the images, where it follows from what they are; 0 where it does not."""
    if not (isinstance(first, str) and isinstance(second, str)):
        return 0.0
    (seen, one), (other_seen, other) = _measure(first), _measure(second)
    if seen != other_seen or one == other:
        return 0.0
    few, many = sorted((measured[first], measured[second]), key=lambda found: found.value)
    spread = math.sqrt(few.value * (1 - few.value) * many.value * (1 - many.value))
    if not spread:
        return 0.0
    if {one, other} <= set(ANSWERS):
        return -few.value * many.value / spread
    if one.startswith("steps_") and other.startswith("steps_") and isinstance(few, Proportion):
        # What stands after more steps stood before. Newcombe takes half a count off a positive correlation.
        return max(few.value * (1 - many.value) - 0.5 / few.n, 0.0) / spread
    return 0.0


def _measure(metric: str) -> tuple[str, str]:
    """What was counted, behind the model and the images that it saw: `m.on_det_relabelled` is `relabelled`, on a
    built set, and `m.on_det` is `clean` there.
    """
    model, _, measure = metric.partition(".")
    if not measure.startswith("on_"):
        return model, measure
    answer = next((one for one in ANSWERS if measure.endswith(f"_{one}")), "clean")
    return f"{model}.{measure.removesuffix(f'_{answer}')}", answer


def _said(more: str | float, less: str | float, measured: Numbers) -> str:
    return f"{100 * _known(more, measured)[0]:.1f} against {100 * _known(less, measured)[0]:.1f} %"


def _known(number: str | float, measured: Numbers) -> tuple[float, float, float]:
    """Value and ends of its interval."""
    found = measured[number] if isinstance(number, str) else Exact(number)
    return found.value, *found.interval


__all__ = ["CHANCE", "Claim", "Correlated", "Finding", "More", "Plot", "Verdict", "correlation"]
