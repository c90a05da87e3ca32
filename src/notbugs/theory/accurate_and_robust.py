"""A perfectly robust and accurate classifier exists, and maximum likelihood finds another (the point of Ilyas et al.
2019, Figure 14; the numbers are ours).

Two values: x_1 = y u with u uniform from 1 to 3, and x_2 = y m + b v with v uniform from -1 to 1 and m > b. The sign
of either is always right. That of x_1 stays right under every change below L2 1; that of x_2 falls at m - b. Fitting
Gaussians weighs each value by its mean over its variance, and so listens to x_2, the small and steady one.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError

Pair = Float[Tensor, "2"]


@final
@dataclass(frozen=True, kw_only=True)
class TwoFeatures:
    """A large loose feature (1 to 3) and a small steady one (`mean` - `half_width` to `mean` + `half_width`)."""

    mean: float = 0.3
    half_width: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.half_width < self.mean:
            raise NotbugsError(
                f"the small feature must always be right: 0 < half_width {self.half_width} < mean {self.mean}"
            )

    @property
    def means(self) -> Pair:
        return torch.tensor([2.0, self.mean], dtype=torch.float64)

    @property
    def covariance(self) -> Float[Tensor, "2 2"]:
        return torch.diag(torch.tensor([1 / 3, self.half_width**2 / 3], dtype=torch.float64))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
        """Points (n, 2) and their labels, +1 or -1."""
        y = torch.randint(2, (n,), generator=generator).double() * 2 - 1
        width = torch.tensor([1.0, self.half_width], dtype=torch.float64)
        noise = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 2 - 1
        return y[:, None] * (self.means + width * noise), y

    def margin(self, weights: Pair) -> float:
        """How far the nearest point of all is from the boundary of sign(<w, x>), L2; negative where one is wrong.

        >>> [round(TwoFeatures().margin(w), 3) for w in torch.eye(2)]
        [1.0, 0.2]
        """
        w = weights.double()
        width = torch.tensor([1.0, self.half_width], dtype=torch.float64)
        return float((w @ self.means - w.abs() @ width) / w.norm())

    def accuracy(self, weights: Pair, eps: float = 0.0) -> float:
        """Of sign(<w, x>) where every point may be moved by L2 `eps`; exact.

        >>> TwoFeatures().accuracy(torch.tensor([0.0, 1.0]), eps=0.3)
        0.5
        """
        w = weights.double()
        center = float(w @ self.means - eps * w.norm())
        return _uniform_pair_above(center, float(w[0].abs()), float(w[1].abs()) * self.half_width)


def _uniform_pair_above(center: float, a: float, b: float) -> float:
    """P(center + a U + b V > 0) for U and V uniform from -1 to 1: the density is a trapezium."""
    a, b = max(a, b), min(a, b)
    reach = center + a + b  # what is above 0 at the most

    def area(x: float) -> float:
        """The integral of max(x, 0)^2 / 2, of which the trapezium's is made."""
        return max(x, 0.0) ** 2 / 2

    if abs(center) >= a + b:
        return float(center > 0)
    if b <= 1e-15 * a:
        return (center + a) / (2 * a)
    parts = math.fsum([area(reach), -area(reach - 2 * a), -area(reach - 2 * b), area(reach - 2 * a - 2 * b)])
    return min(1.0, max(0.0, parts / (4 * a * b)))


__all__ = ["TwoFeatures"]
