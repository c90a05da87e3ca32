"""What a study should show: claims with their sources, each of which its numbers can refute."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, final

from notbugs.errors import NotbugsError, require_kind
from notbugs.study.differences import CHANCE, Numbers, correlation, difference, known

Finding = Literal["agrees", "disagrees", "undecided"]


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
    by a point or two beyond it. Raises NotbugsError for a number that is no share of images.

    >>> from notbugs.audits import Proportion
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

    def __post_init__(self) -> None:
        for one in (self.more, self.less):
            require_kind("a claim's metric or share", one, str, int, float)
            if not isinstance(one, str) and not 0 <= one <= 1:
                raise NotbugsError(f"{self.says}: a metric, or a share between 0 and 1, not {one!r}")

    def metrics(self) -> tuple[str, ...]:
        named = (self.more, self.less, *(self.beyond or ()))
        return tuple(one for one in named if isinstance(one, str) and one != CHANCE)

    def unpublished(self) -> "More":
        return replace(self, published="")

    def judged(self, measured: Numbers) -> Verdict:
        gap, low, high = difference(self.more, self.less, measured)
        found, unit = _said(self.more, self.less, measured), "points"
        if self.beyond:
            other, least, most = difference(*self.beyond, measured)
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

    >>> from notbugs.audits import Proportion
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
        if empty := [name for name, pairs in self.families.items() if not pairs]:
            raise NotbugsError(f"{self.says}: no pair of metrics for {', '.join(empty)}")

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


def _said(more: str | float, less: str | float, measured: Numbers) -> str:
    return f"{100 * known(more, measured)[0]:.1f} against {100 * known(less, measured)[0]:.1f} %"


__all__ = ["Claim", "Correlated", "Finding", "More", "Verdict"]
