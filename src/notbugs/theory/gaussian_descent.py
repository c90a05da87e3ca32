"""Robust maximum likelihood of a Gaussian by descent on the robust loss: what the closed form is held against, and
the fit that has no closed form, where every point has a budget of its own.
"""

import math
from collections.abc import Callable

import torch

from notbugs.errors import NotbugsError, require_positive
from notbugs.theory.gaussian import Matrix, Points, require_budget, robust_fit

STEPS = 400


def descended_fit(covariance: Matrix, eps: float, *, steps: int = STEPS) -> Matrix:
    """The covariance that minimises E[max NLL(x + d)], E ||d||^2 <= eps^2, by L-BFGS from the truth.

    By duality the inner maximum is the least over m of m eps^2 + tr(S (R - I / m)^-1), halved; with R = L L^T + I / m
    the two minima are one, over L and m, without any constraint. Nothing of the closed form is used. Raises
    NotbugsError for an eps that is not above 0, and for what is no covariance.

    >>> descended_fit(torch.diag(torch.tensor([1.0, 4.0])), eps=1.0).diagonal()
    tensor([3.3022, 6.6377], dtype=torch.float64)
    """
    require_positive("eps", eps)
    truth = robust_fit(covariance, 0.0).covariance
    d = len(truth)
    factor = torch.linalg.cholesky(truth).contiguous().requires_grad_()
    log_m = torch.tensor(math.log(d) / 2 - math.log(eps), dtype=torch.float64, requires_grad=True)

    def fitted() -> Matrix:
        lower = factor.tril()
        return lower @ lower.T + torch.eye(d, dtype=torch.float64) / log_m.exp()

    def loss() -> torch.Tensor:
        lower = factor.tril()
        spread = torch.linalg.solve_triangular(lower, torch.linalg.cholesky(truth), upper=False)
        return (fitted().logdet() + log_m.exp() * eps**2 + spread.square().sum()) / 2

    _minimise(loss, [factor, log_m], steps)
    return fitted().detach()


def pointwise_fit(points: Points, eps: float, *, steps: int = 60) -> Matrix:
    """The covariance that minimises the mean over `points` v of max NLL(v + d), ||d|| <= eps for each point: robust
    training as it is done in practice.

    The inner maximum is a trust-region problem, solved for each point by bisection; its gradient in the covariance is
    that at the best d (Danskin). Raises NotbugsError for fewer points than dimensions, and a negative eps.
    """
    require_budget(eps)
    v = points.double()
    if len(v) <= v.shape[1]:
        raise NotbugsError(f"{len(v)} points of {v.shape[1]} dimensions fit no covariance")
    factor = torch.linalg.cholesky(v.T @ v / len(v)).contiguous().requires_grad_()

    def loss() -> torch.Tensor:
        lower = factor.tril()
        moved = worst_points(v, (lower @ lower.T).detach(), eps)
        whitened = torch.linalg.solve_triangular(lower, moved.T, upper=False)
        return lower.diagonal().abs().log().sum() + whitened.square().sum() / (2 * len(v))

    _minimise(loss, [factor], steps)
    lower = factor.detach().tril()
    return lower @ lower.T


def worst_points(points: Points, covariance: Matrix, eps: float) -> Points:
    """The v + d with the largest Mahalanobis norm, ||d|| <= eps, for each point: d = (m S - I)^-1 v with an m of its
    own above 1 / the least eigenvalue. A point without a part along that eigenvector may not spend eps on any d of
    this form; what it has left goes there, to either side.

    >>> worst_points(torch.tensor([[3.0, 0.0]]), torch.eye(2), eps=1.0)
    tensor([[4., 0.]], dtype=torch.float64)
    """
    t, vectors = torch.linalg.eigh(covariance.double())
    z = points.double() @ vectors
    if eps == 0:
        return points.double()
    # Of m * min t - 1: at `high` every point has spent less than eps, near 0 more.
    ratio = t / t[0]
    low = torch.zeros(len(z), 1, dtype=torch.float64)
    high = z.norm(dim=1, keepdim=True) / eps
    for _ in range(60):
        middle = (low + high) / 2
        spent = _step(z, ratio, middle).square().sum(1, keepdim=True)
        low, high = torch.where(spent > eps**2, middle, low), torch.where(spent > eps**2, high, middle)
    step = _step(z, ratio, high)
    left = (eps**2 - step.square().sum(1)).clamp_min(0).sqrt()
    step[:, 0] += torch.where((z[:, 0] == 0) & (left > 1e-6 * eps), left, 0)
    return (z + step) @ vectors.T


def _step(z: Points, ratio: torch.Tensor, above: torch.Tensor) -> Points:
    """d for m * min t = 1 + above; 0 / 0 is none."""
    return z / ((1 + above) * ratio - 1).clamp_min(1e-300)


def _minimise(loss: Callable[[], torch.Tensor], parameters: list[torch.Tensor], steps: int) -> None:
    search = torch.optim.LBFGS(
        parameters, max_iter=steps, history_size=30, tolerance_grad=1e-9, tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> torch.Tensor:
        search.zero_grad()
        value = loss()
        value.backward()
        return value

    search.step(closure)


__all__ = ["descended_fit", "pointwise_fit", "worst_points"]
