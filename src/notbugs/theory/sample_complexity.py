"""Robust learning needs more data (Schmidt et al. 2018, "Adversarially Robust Generalization Requires More Data").

Gaussian model   x ~ N(y theta, sigma^2 I), theta of +1 and -1, so ||theta|| = sqrt(d), and sigma = c d^(1/4).
Bernoulli model  x_i = y theta_i with probability 1/2 + tau, else -y theta_i, with tau = c d^(-1/4).

From n labelled points one learns w = mean(y x) and says sign(<w, x>). The adversary changes every value by eps.
One point is enough to be right (Theorem 4); to be right under attack n must grow like eps^2 sqrt(d) (Theorems 5 and
6, up to log d). In the Bernoulli model linear classifiers need as many; whoever first rounds every value to its sign
needs one point, for every eps below 1 (Theorems 8 to 10).

Of w everything is exact: <w, x> is normal in the first model. As d grows, <w, theta> / d, ||w||^2 / d and ||w||_1 / d
go to 1, 1 + s^2 and the mean of |1 + s g| with s = sigma / sqrt(n) and a normal g: that gives accuracies without any
draw (`limit_accuracy`), and the n that is needed.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError

Vector = Float[Tensor, " d"]


@final
@dataclass(frozen=True, kw_only=True)
class GaussianModel:
    """x ~ N(y theta, sigma^2 I) in `d` dimensions with theta = (1, ..., 1), which is no loss by symmetry."""

    d: int
    sigma: float

    def __post_init__(self) -> None:
        if self.d < 1 or not 0 < self.sigma < math.inf:
            raise NotbugsError(
                f"x ~ N(y theta, sigma^2 I) needs d >= 1 and sigma > 0, got d {self.d}, {self.sigma}"
            )

    @staticmethod
    def of(d: int, c: float = 0.5) -> "GaussianModel":
        """With the sigma that the theorems are about, c d^(1/4)."""
        return GaussianModel(d=d, sigma=c * d**0.25)

    def learn(self, n: int, generator: torch.Generator) -> Vector:
        """mean(y x) of n points: theta and noise of sigma / sqrt(n)."""
        _require_points(n)
        noise = torch.randn(self.d, generator=generator)
        return (1 + self.sigma / math.sqrt(n) * noise).double()

    def accuracy(self, w: Vector, eps: float = 0.0) -> float:
        """Of sign(<w, x>) under changes of every value by eps; exact for this w.

        >>> model, w = GaussianModel(d=4, sigma=2.0), torch.ones(4)
        >>> round(model.accuracy(w), 3), model.accuracy(w, eps=1.0)
        (0.841, 0.5)
        """
        margin = w.sum() - eps * w.abs().sum()
        return float(torch.special.ndtr(margin / (self.sigma * w.norm())))

    def limit_accuracy(self, n: int, eps: float = 0.0) -> float:
        """The accuracy of what n points teach, where all means are what they go to as d grows."""
        _require_points(n)
        s = self.sigma / math.sqrt(n)
        margin = 1 - eps * folded_mean(s)
        return _below(math.sqrt(self.d) * margin / (self.sigma * math.sqrt(1 + s**2)))


@final
@dataclass(frozen=True, kw_only=True)
class BernoulliModel:
    """Values of +1 and -1 that agree with y theta_i with probability 1/2 + `tau`, with theta = (1, ..., 1)."""

    d: int
    tau: float

    def __post_init__(self) -> None:
        if self.d < 1 or not 0 < self.tau <= 0.5:
            raise NotbugsError(
                f"d >= 1 values agree with probability 1/2 + tau, 0 < tau <= 1/2: got d {self.d}, tau {self.tau}"
            )

    @staticmethod
    def of(d: int, c: float = 1.0) -> "BernoulliModel":
        """With the tau that the theorems are about, c d^(-1/4)."""
        return BernoulliModel(d=d, tau=min(0.5, c * d**-0.25))

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """n points of label +1."""
        return (torch.rand(n, self.d, generator=generator) < 0.5 + self.tau).float() * 2 - 1

    def learn(self, n: int, generator: torch.Generator) -> Vector:
        """mean(y x) of n points: how often each value agreed, a binomial draw each."""
        _require_points(n)
        agreed = torch.binomial(
            torch.full((self.d,), float(n), dtype=torch.float64),
            torch.full((self.d,), 0.5 + self.tau, dtype=torch.float64),
            generator=generator,
        )
        return 2 * agreed / n - 1

    def accuracy(self, w: Vector, eps: float = 0.0) -> float:
        """Of sign(<w, x>) under changes of every value by eps; by the central limit theorem over the d values."""
        margin = 2 * self.tau * w.sum() - eps * w.abs().sum()
        spread = math.sqrt(1 - 4 * self.tau**2) * w.norm()
        return float(torch.special.ndtr(margin / spread) if spread > 0 else margin > 0)

    def rounded_accuracy(self, w: Vector, eps: float = 0.0) -> float:
        """Of sign(<w, sign(x)>): below eps 1 no change turns a sign, so that it is the accuracy without attack."""
        return self.accuracy(w) if eps < 1 else 0.0


def folded_mean(s: float) -> float:
    """The mean of |1 + s g| for a standard normal g.

    >>> folded_mean(0.0)
    1.0
    """
    if s == 0:
        return 1.0
    return s * math.sqrt(2 / math.pi) * math.exp(-0.5 / s**2) + math.erf(1 / (s * math.sqrt(2)))


def _below(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _require_points(n: int) -> None:
    if n < 1:
        raise NotbugsError(f"n {n}: nothing is learned from no points")


__all__ = ["BernoulliModel", "GaussianModel", "folded_mean"]
