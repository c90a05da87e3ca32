"""A proportion that knows how many images it was counted on."""

import math
from dataclasses import dataclass
from typing import final

from notbugs.errors import NotbugsError

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: 95 % lie within so many standard errors."""


@final
@dataclass(frozen=True)
class Proportion:
    """`count` of `n`, with Wilson's 95 % interval (Wilson 1927): honest near 0 and 1, where most of ours lie.

    >>> print(Proportion(47, 50))
    0.940 [0.838, 0.979] (n=50)
    """

    count: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.n or self.n == 0:
            raise NotbugsError(f"{self.count} of {self.n} is not a proportion")

    @property
    def value(self) -> float:
        return self.count / self.n

    @property
    def interval(self) -> tuple[float, float]:
        low, high = wilson(self.value, self.n)
        # At the ends rounding would leave the point just outside its own interval.
        return (0.0 if self.count == 0 else low, 1.0 if self.count == self.n else high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}] (n={self.n})"


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share `p` among `n`, which need not be whole.

    >>> [round(end, 3) for end in wilson(0.94, 50)]
    [0.838, 0.979]
    """
    center = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return max(0.0, center - half), min(1.0, center + half)
