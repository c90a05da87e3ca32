"""Numbers that are no proportions, with their intervals: means over images, and what a whole set has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from notbugs.audits.proportion import Z
from notbugs.errors import NotbugsError, require_positive


@final
@dataclass(frozen=True)
class Estimate:
    """A number found on `n` images, with its 95 % interval."""

    value: float
    interval: tuple[float, float]
    n: int

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4g} [{low:.4g}, {high:.4g}] (n={self.n})"


def mean_of(values: Float[Tensor, " images"]) -> Estimate:
    """The mean over independent images, with the normal interval. Raises NotbugsError for fewer than two.

    >>> print(mean_of(torch.tensor([1.0, 2.0, 3.0, 4.0])))
    2.5 [1.235, 3.765] (n=4)
    """
    if len(values) < 2:
        raise NotbugsError(f"an interval needs at least 2 images, got {len(values)}")
    wide = values.double()
    mean, half = float(wide.mean()), Z * float(wide.std()) / len(wide) ** 0.5
    return Estimate(mean, (mean - half, mean + half), len(wide))


def bootstrapped(
    measure: Callable[[Int[Tensor, " rows"]], float], n: int, *, generator: torch.Generator, draws: int = 200
) -> Estimate:
    """A measure of a whole set of `n` images, with the 2.5 and 97.5 % quantiles over sets drawn from it with
    replacement (Efron 1979), moved by what drawing itself adds, so that they lie about the value.

    `measure` is asked of rows, some of them several times.
    """
    require_positive("draws", draws)
    value = measure(torch.arange(n))
    again = torch.tensor([measure(torch.randint(n, (n,), generator=generator)) for _ in range(draws)])
    bias = float(again.median()) - value
    low, high = (float(again.quantile(share)) - bias for share in (0.025, 0.975))
    return Estimate(value, (min(low, value), max(high, value)), n)


__all__ = ["Estimate", "bootstrapped", "mean_of"]
