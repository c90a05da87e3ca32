"""Robust maximum likelihood of two Gaussians, in closed form (Ilyas et al. 2019, Section 4 and Appendix E).

Labels y are +1 and -1, images x ~ N(y mu, S), and the parameters are fitted by E[max NLL(x + d)], where the adversary
may move x by d with E ||d||^2 <= eps^2. The classifier is the sign of <P mu, x>, with P the inverse of the fitted
covariance.

Lagrange gives d = (m S_r - I)^-1 v for v = x - y mu, and a minimum of E[...] a fitted covariance R that satisfies
R = E[(v + d)(v + d)^T], in the eigenbasis of S a quadratic equation for each eigenvalue s:

    r = s / 2 + 1 / m + sqrt(s / m + s^2 / 4),    sum_i s_i / (m r_i - 1)^2 = eps^2.

The left side of the last equation falls in m from infinity to 0, so it has one root for every eps > 0, whatever the
covariance: the paper's bounds on m for small eps are not needed. The loss is convex in P, so that R is its minimum.

The paper's set of perturbations has E ||d||^2 <= eps^2, as here; its equation 27 writes eps in the place of eps^2,
which does not follow from the set. The same R is the centre of a Wasserstein ball of radius eps
(Nguyen, Kuhn and Esfahani 2018, "Distributionally robust inverse covariance estimation"). Where every single x has a
budget of its own, ||d|| <= eps, there is no closed form; `notbugs.theory.gaussian_descent` fits that.

Everything is computed in float64.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError

Matrix = Float[Tensor, "d d"]
Vector = Float[Tensor, " d"]
Points = Float[Tensor, "points d"]


@final
@dataclass(frozen=True, eq=False)
class RobustFit:
    """The covariance that robust maximum likelihood fits, and the multiplier m of the adversary's budget."""

    covariance: Matrix
    multiplier: float

    def shifts(self, deviations: Points) -> Points:
        """What the adversary adds to v = x - y mu: (m R - I)^-1 v."""
        if math.isinf(self.multiplier):
            return torch.zeros_like(deviations)
        return torch.linalg.solve(self._tilt, deviations.T).T

    @property
    def _tilt(self) -> Matrix:
        return self.multiplier * self.covariance - torch.eye(len(self.covariance), dtype=torch.float64)


def robust_fit(covariance: Matrix, eps: float) -> RobustFit:
    """Theorem 2: the covariance fitted against E ||d||^2 <= eps^2, exact for every positive-definite `covariance`.

    Raises NotbugsError for a negative eps and for what is no covariance.

    >>> fit = robust_fit(torch.diag(torch.tensor([1.0, 4.0])), eps=1.0)
    >>> fit.covariance.diagonal(), round(fit.multiplier, 4)
    (tensor([3.3022, 6.6377], dtype=torch.float64), 0.6734)
    """
    values, vectors = _decomposed(covariance)
    require_budget(eps)
    if eps == 0:
        return RobustFit(covariance.double(), math.inf)
    m = _falls_to(eps**2, lambda m: _spent(values, m), *_bracket(values, eps))
    return RobustFit(vectors @ torch.diag(_fitted(values, m)) @ vectors.T, m)


def robust_loss(fitted: Matrix, covariance: Matrix, eps: float) -> float:
    """E[max NLL(x + d)] of any parameters (mu, fitted) where the truth is (mu, covariance), both positive definite.

    The same matrices need not commute. Raises NotbugsError as `robust_fit` does.
    """
    t, vectors = _decomposed(fitted)
    _decomposed(covariance)
    require_budget(eps)
    spread = (vectors.T @ covariance.double() @ vectors).diagonal()
    constant = 0.5 * (len(t) * math.log(2 * math.pi) + float(t.log().sum()))
    if eps == 0:
        return constant + 0.5 * float((spread / t).sum())
    m = _multiplier(t, spread, eps)
    return constant + 0.5 * float((spread * t * (m / (m * t - 1)).square()).sum())


def penalized_gap(covariance: Matrix, penalty: float) -> float:
    """Theorem 1: how much NLL (doubled, as in the paper) the true parameters lose to d = (C S - I)^-1 v.

    tr[(I + (C S - I)^-1)^2] - d, for a penalty C above 1 / the least eigenvalue; for a fixed trace it is least where
    all eigenvalues are equal. Raises NotbugsError for a smaller penalty.

    >>> penalized_gap(torch.eye(2), penalty=2.0)
    6.0
    """
    values, _ = _decomposed(covariance)
    if penalty * float(values.min()) <= 1:
        raise NotbugsError(
            f"a penalty of {penalty:g} lets the adversary go anywhere; "
            f"it must be above {1 / float(values.min()):g}"
        )
    return float((1 + 1 / (penalty * values - 1)).square().sum() - len(values))


def worst_alignment(covariance: Matrix) -> float:
    """Theorem 3: the least cosine between mu and the gradient P mu of the classifier, over all mu: with k the
    condition number of the fitted covariance, 2 sqrt(k) / (1 + k) (Kantorovich's inequality).

    >>> worst_alignment(torch.diag(torch.tensor([1.0, 4.0])))
    0.8
    """
    values, _ = _decomposed(covariance)
    condition = float(values.max() / values.min())
    return 2 * math.sqrt(condition) / (1 + condition)


def linear_accuracy(weights: Vector, mean: Vector, covariance: Matrix, eps: float = 0.0) -> float:
    """The accuracy of sign(<weights, x>) on x ~ N(y mean, covariance), where each x may be moved by L2 `eps`.

    >>> w = torch.tensor([1.0, 0.0])
    >>> round(linear_accuracy(w, w, torch.eye(2)), 3), linear_accuracy(w, w, torch.eye(2), eps=1.0)
    (0.841, 0.5)
    """
    w = weights.double()
    margin = w @ mean.double() - eps * w.norm()
    return float(torch.special.ndtr(margin / (w @ covariance.double() @ w).sqrt()))


def require_budget(eps: float) -> None:
    """Raise unless 0 <= eps < infinity."""
    if not 0 <= eps < math.inf:
        raise NotbugsError(f"eps {eps}: a budget is a finite number of at least 0")


def _decomposed(covariance: Matrix) -> tuple[Vector, Matrix]:
    wide = covariance.double()
    if not torch.allclose(wide, wide.T, rtol=1e-6, atol=1e-12):
        raise NotbugsError("a covariance is symmetric")
    values, vectors = torch.linalg.eigh(wide)
    if float(values[0]) <= 0:
        raise NotbugsError(f"a covariance is positive definite; the least eigenvalue is {float(values[0]):g}")
    return values, vectors


def _fitted(values: Vector, m: float) -> Vector:
    return values / 2 + 1 / m + (values / m + values.square() / 4).sqrt()


def _spent(values: Vector, m: float) -> float:
    """E ||d||^2 of the adversary against the covariance that multiplier m fits."""
    tilt = m * values / 2 + (m * values + (m * values).square() / 4).sqrt()  # m r - 1, without cancellation
    return float((values / tilt.square()).sum())


def _bracket(values: Vector, eps: float) -> tuple[float, float]:
    """Multipliers that spend more and less than eps^2: s / tilt^2 is at most 1 / m, and at most 1 / (m^2 s)."""
    high = min(len(values) / eps**2, float((1 / values).sum().sqrt()) / eps)
    low = high
    while _spent(values, low) <= eps**2:
        low /= 4
    return low, high


def _multiplier(t: Vector, spread: Vector, eps: float) -> float:
    """The m above 1 / min t with sum_i spread_i / (m t_i - 1)^2 = eps^2."""
    least = float(t.min())

    def spent(above: float) -> float:
        return float((spread / ((1 + above) / least * t - 1).square()).sum())

    # Of m * min t - 1, which is above 0: at the other end less than eps^2 is spent.
    return (1 + _falls_to(eps**2, spent, 0.0, float(spread.sum().sqrt()) / eps)) / least


def _falls_to(wanted: float, falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function has come down to what is wanted, by bisection."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > wanted else (low, middle)
    return high


__all__ = [
    "RobustFit",
    "linear_accuracy",
    "penalized_gap",
    "require_budget",
    "robust_fit",
    "robust_loss",
    "worst_alignment",
]
