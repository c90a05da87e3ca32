"""Where robustness costs accuracy (Tsipras et al. 2019, "Robustness May Be at Odds with Accuracy", Section 2).

A label y, +1 or -1; one feature that agrees with it with probability p, x_0 = y or -y; and many that say a little,
x_i ~ N(eta y, 1). The adversary may change every value by eps >= 2 eta, and so turn each weak feature against y.

Theorem 2.1: whoever is right on all but a share delta of the images is right under attack on p / (1 - p) * delta at
most, whatever the classifier.

All accuracies of linear classifiers are exact: <w, x> is a mixture of two normal variables. So is the frontier, what
the best of all classifiers reach: against an adversary that turns the weak features, and by Neyman and Pearson's
lemma, they say sign(t + c sign(x_0)), t = eta sum_i x_i being the evidence of the weak features and c what the strong
one counts for. An adversary of 2 eta < 1 can do no more harm to them.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError

Weights = Float[Tensor, "classifiers features"]
PerClassifier = Float[Tensor, " classifiers"]
Points = Float[Tensor, "points features"]
Signs = Float[Tensor, " points"]


@final
@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """One strong feature, right with probability `p`, and `weak` features of mean `eta` y and variance 1."""

    p: float
    eta: float
    weak: int

    def __post_init__(self) -> None:
        if not 0.5 <= self.p < 1 or self.eta <= 0 or self.weak < 1:
            raise NotbugsError(
                f"a trade-off needs 0.5 <= p < 1, eta > 0 and a weak feature, got p {self.p}, eta {self.eta}, "
                f"weak {self.weak}"
            )

    def accuracy(self, weights: Weights, eps: float = 0.0) -> PerClassifier:
        """Of sign(<w, x>), where an adversary may change every value by `eps` (Linf); exact.

        >>> setting = Tradeoff(p=0.95, eta=0.1, weak=900)
        >>> strong, weak = torch.eye(901)[:1], torch.cat([torch.zeros(1, 1), torch.ones(1, 900)], dim=1)
        >>> setting.accuracy(torch.cat([strong, weak])), setting.accuracy(torch.cat([strong, weak]), eps=0.2)
        (tensor([0.9500, 0.9987], dtype=torch.float64), tensor([0.9500, 0.0013], dtype=torch.float64))
        """
        w = weights.double()
        strong, others = w[:, 0], w[:, 1:]
        margin = self.eta * others.sum(1) - eps * w.abs().sum(1)
        spread = others.norm(dim=1)
        return self.p * _above_zero(margin + strong, spread) + (1 - self.p) * _above_zero(
            margin - strong, spread
        )

    def bound(self, accuracy: Float[Tensor, "*classifiers"]) -> Float[Tensor, "*classifiers"]:
        """Theorem 2.1: what no classifier of that accuracy exceeds under attack with eps >= 2 eta.

        >>> Tradeoff(p=0.95, eta=0.1, weak=900).bound(torch.tensor([0.99]))
        tensor([0.1900])
        """
        return (self.p / (1 - self.p) * (1 - accuracy)).clamp(max=1)

    def frontier(self, strong: Float[Tensor, " classifiers"]) -> tuple[PerClassifier, PerClassifier]:
        """The accuracies, clean and under attack with eps = 2 eta, of the best classifiers there are, from the most
        accurate (`strong` is the evidence of the strong feature, log(p / (1 - p)) / 2) to the most robust (infinity).

        Raises NotbugsError for 2 eta >= 1: that adversary turns the strong feature too.

        >>> Tradeoff(p=0.95, eta=0.1, weak=400).frontier(torch.tensor([1.47, 100.0]))
        (tensor([0.9919, 0.9500]), tensor([0.0979, 0.9500]))
        """
        if self.eta >= 0.5:
            raise NotbugsError(
                f"eta {self.eta}: an adversary of 2 eta turns the strong feature too, and the frontier is "
                "another; take eta below 0.5"
            )
        evidence = self.eta**2 * self.weak  # mean and variance of y t
        scale = evidence**0.5

        def right(mean: float) -> PerClassifier:
            agrees = torch.special.ndtr((mean + strong) / scale)
            return self.p * agrees + (1 - self.p) * torch.special.ndtr((mean - strong) / scale)

        return right(evidence), right(-evidence)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Points, Signs]:
        """Points (n, 1 + weak) and their labels, +1 or -1."""
        y = torch.randint(2, (n,), generator=generator).float() * 2 - 1
        agrees = torch.rand(n, generator=generator) < self.p
        weak = torch.randn(n, self.weak, generator=generator) + self.eta * y[:, None]
        return torch.cat([torch.where(agrees, y, -y)[:, None], weak], dim=1), y

    def turned(self, points: Points, labels: Signs) -> Points:
        """What the proof's adversary makes of the points: every weak feature moved by 2 eta against the label."""
        moved = points.clone()
        moved[:, 1:] -= 2 * self.eta * labels[:, None]
        return moved


def _above_zero(mean: PerClassifier, spread: PerClassifier) -> PerClassifier:
    """The probability that N(mean, spread^2) is above 0; of a variable without spread too."""
    certain = (mean > 0).double()
    return torch.where(spread > 0, torch.special.ndtr(mean / spread.clamp_min(1e-300)), certain)


__all__ = ["Tradeoff"]
