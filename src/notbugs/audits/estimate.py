"""Numbers that are no proportions, with their intervals: means over images, and what a whole set has."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from notbugs.errors import NotbugsError, require_positive
from notbugs.proportion import Z


@final
@dataclass(frozen=True)
class Estimate:
    """A number found on `n` images, with its 95 % interval; of a single image there is none."""

    value: float
    interval: tuple[float, float] | None
    n: int

    def __str__(self) -> str:
        ends = "[{:.4g}, {:.4g}] ".format(*self.interval) if self.interval else ""
        return f"{self.value:.4g} {ends}(n={self.n})"


def mean_of(
    values: Float[Tensor, " images"], *, possible: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate:
    """The mean over independent images, with Student's interval, kept to what is `possible`.

    Raises NotbugsError for no images.

    >>> print(mean_of(torch.tensor([1.0, 2.0, 3.0, 4.0])))
    2.5 [0.4482, 4.552] (n=4)
    """
    n = len(values)
    if not n:
        raise NotbugsError("there is no mean of no images")
    wide = values.cpu().double()
    mean = float(wide.mean())
    if n == 1:
        return Estimate(mean, None, 1)
    half = students_quantile(n - 1) * float(wide.std()) / n**0.5
    return Estimate(mean, (max(possible[0], mean - half), min(possible[1], mean + half)), n)


def students_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution: exact for 1 and 2 degrees of freedom, from 3 on an expansion
    around the normal one (Fisher and Cornish 1960, to the fourth order), 0.1 % off at most.

    >>> [round(students_quantile(freedom), 2) for freedom in (1, 2, 3, 9, 99)]
    [12.71, 4.3, 3.18, 2.26, 1.98]
    """
    p = 0.975
    if freedom == 1:
        return math.tan(math.pi * (p - 0.5))
    if freedom == 2:
        return (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    terms = (
        Z,
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
        (79 * Z**9 + 776 * Z**7 + 1482 * Z**5 - 1920 * Z**3 - 945 * Z) / 92160,
    )
    return sum(term / freedom**order for order, term in enumerate(terms))


def bootstrapped(
    measure: Callable[[Int[Tensor, " rows"]], float],
    n: int,
    *,
    generator: torch.Generator,
    draws: int = 200,
    possible: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """A measure of a whole set of `n` images, with the 2.5 and 97.5 % quantiles over sets drawn from it with
    replacement (Efron 1979), moved by what drawing itself adds, so that they lie about the value.

    `measure` is asked of rows, some of them several times; the interval keeps to the values that are `possible`.
    """
    require_positive("draws", draws)
    value = measure(torch.arange(n))
    again = torch.tensor([measure(torch.randint(n, (n,), generator=generator)) for _ in range(draws)])
    bias = float(again.median()) - value
    low, high = (float(again.quantile(share)) - bias for share in (0.025, 0.975))
    least, most = possible
    return Estimate(value, (max(least, min(low, value)), min(most, max(high, value))), n)


__all__ = ["Estimate", "bootstrapped", "mean_of", "students_quantile"]
