"""How far two numbers of a study lie apart, and whether pairs of them rise together, with 95 % intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from notbugs.audits import Proportion
from notbugs.proportion import Z

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


def difference(more: str | float, less: str | float, measured: Numbers) -> tuple[float, float, float]:
    """Of two numbers, with the ends of Newcombe's interval."""
    (first, *ends), (second, *others) = known(more, measured), known(less, measured)
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


def known(number: str | float, measured: Numbers) -> tuple[float, float, float]:
    """Value and ends of its interval."""
    found = measured[number] if isinstance(number, str) else Exact(number)
    return found.value, *found.interval


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


__all__ = ["CHANCE", "Exact", "Numbers", "correlation", "difference", "known"]
