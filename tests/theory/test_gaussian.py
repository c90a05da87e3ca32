"""Robust maximum likelihood: the closed form against descent, another paper's closed form, draws, and brute force."""

import math
from functools import partial

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory.gaussian import (
    linear_accuracy,
    penalized_gap,
    robust_fit,
    robust_loss,
    worst_alignment,
)
from notbugs.theory.gaussian_descent import descended_fit, pointwise_fit, worst_points

SETTINGS = [(d, eps) for d in (2, 10, 50, 200) for eps in (0.1, 1.0, 10.0)]


def covariance_of(d, seed=0):
    """A random positive-definite matrix of no particular axes."""
    draw = torch.randn(d, 2 * d, generator=generator(seed, "covariance", d), dtype=torch.float64)
    return draw @ draw.T / d


def normal(n, covariance, seed=0):
    draw = torch.randn(n, len(covariance), generator=generator(seed, "points"), dtype=torch.float64)
    return draw @ torch.linalg.cholesky(covariance).T


@pytest.mark.parametrize(("d", "eps"), SETTINGS)
def test_the_closed_form_is_where_descent_ends(d, eps):
    truth = covariance_of(d)
    fitted = robust_fit(truth, eps).covariance
    assert float((descended_fit(truth, eps) - fitted).norm() / fitted.norm()) < 1e-5


@pytest.mark.parametrize(("d", "eps"), SETTINGS)
def test_it_is_the_wasserstein_shrinkage_estimator(d, eps):
    """Nguyen, Kuhn and Esfahani 2018, Theorem 3.1: the same matrix from another equation."""
    truth = covariance_of(d)
    s = torch.linalg.eigvalsh(truth)

    def excess(g):
        roots = (s.square() * g**2 + 4 * s * g).sqrt()
        return float((eps**2 - s.sum() / 2) * g - d + roots.sum() / 2)

    low, high = 1e-9, 1e9
    for _ in range(300):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    precision = high * (1 - ((s.square() * high**2 + 4 * s * high).sqrt() - s * high) / 2)
    found = torch.linalg.eigvalsh(robust_fit(truth, eps).covariance)
    assert (1 / precision).numpy() == pytest.approx(found.numpy(), rel=1e-8)


@pytest.mark.parametrize(("d", "eps"), [(2, 1.0), (10, 0.5), (50, 3.0)])
def test_no_other_covariance_has_less_robust_loss(d, eps):
    truth = covariance_of(d)
    fit = robust_fit(truth, eps)
    least = robust_loss(fit.covariance, truth, eps)
    draw = generator(1, d)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(20):
            tilt = torch.randn(d, d, generator=draw, dtype=torch.float64) / d**0.5
            other = torch.linalg.matrix_exp(size * (tilt + tilt.T) / 2)
            root = torch.linalg.cholesky(fit.covariance)
            assert robust_loss(root @ other @ root.T, truth, eps) > least
    assert robust_loss(truth, truth, eps) > least


@pytest.mark.parametrize(("d", "eps"), [(2, 1.0), (20, 0.3)])
def test_the_adversary_spends_its_budget_and_no_other_does_more_harm(d, eps):
    truth = covariance_of(d)
    fit = robust_fit(truth, eps)
    v = normal(200_000, truth)
    shifts = fit.shifts(v)
    spent = shifts.square().sum(1)
    assert abs(float(spent.mean()) - eps**2) < 4 * float(spent.std()) / len(v) ** 0.5
    precision = torch.linalg.inv(fit.covariance)

    def harm(d_):
        return ((v + d_) @ precision * (v + d_)).sum(1) / 2

    lost = harm(shifts) + fit.covariance.logdet() / 2 + d * math.log(2 * math.pi) / 2
    found = robust_loss(fit.covariance, truth, eps)
    assert abs(float(lost.mean()) - found) < 4 * float(lost.std()) / len(v) ** 0.5
    draw = generator(2)
    for _ in range(20):  # adversaries that spend the same in other ways: linear ones, and noise
        other = v @ torch.randn(d, d, generator=draw, dtype=torch.float64) + torch.randn(
            v.shape, generator=draw, dtype=torch.float64
        )
        other = other * (spent.mean() / other.square().sum(1).mean()).sqrt()
        assert harm(other).mean() < harm(shifts).mean()


def test_without_a_budget_it_is_maximum_likelihood():
    truth = covariance_of(5)
    fit = robust_fit(truth, 0.0)
    assert torch.equal(fit.covariance, truth)
    assert not fit.shifts(torch.ones(3, 5, dtype=torch.float64)).any()
    tiny = robust_fit(truth, 1e-6).covariance
    assert float((tiny - truth).norm() / truth.norm()) < 1e-5
    assert robust_loss(truth, truth, 0.0) == pytest.approx(
        0.5 * (5 * math.log(2 * math.pi) + float(truth.logdet()) + 5)
    )


@pytest.mark.parametrize("eps", [0.1, 1.0, 10.0])
def test_the_fit_blends_with_the_identity(eps):
    """Theorem 3: the larger the budget, the rounder the fit, and the nearer gradients are to the mean."""
    truth = covariance_of(8)
    assert worst_alignment(robust_fit(truth, eps).covariance) > worst_alignment(truth)
    assert worst_alignment(robust_fit(truth, 2 * eps).covariance) > worst_alignment(
        robust_fit(truth, eps).covariance
    )


def test_no_mean_is_aligned_worse_than_the_worst():
    fitted = robust_fit(covariance_of(6), 0.5).covariance
    values, vectors = torch.linalg.eigh(fitted)
    least = worst_alignment(fitted)

    def alignment(mean):
        gradient = torch.linalg.solve(fitted, mean)
        return float(gradient @ mean / (gradient.norm() * mean.norm()))

    draw = generator(3)
    assert all(alignment(torch.randn(6, generator=draw, dtype=torch.float64)) >= least for _ in range(1000))
    worst = vectors[:, 0] * values[0].sqrt() + vectors[:, -1] * values[-1].sqrt()
    assert alignment(worst) == pytest.approx(least)


@pytest.mark.parametrize("d", [2, 20])
def test_what_the_truth_loses_to_a_penalised_adversary(d):
    truth = covariance_of(d)
    penalty = 3 / float(torch.linalg.eigvalsh(truth)[0])
    v = normal(400_000, truth)
    moved = v + torch.linalg.solve(penalty * truth - torch.eye(d), v.T).T
    precision = torch.linalg.inv(truth)
    lost = (moved @ precision * moved).sum(1) - (v @ precision * v).sum(1)
    assert abs(float(lost.mean()) - penalized_gap(truth, penalty)) < 4 * float(lost.std()) / len(v) ** 0.5
    even = torch.eye(d, dtype=torch.float64) * truth.trace() / d
    assert penalized_gap(even, penalty) < penalized_gap(truth, penalty)


@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_accuracy_of_a_linear_classifier(eps):
    truth, draw = covariance_of(4), generator(5)
    weights, mean = torch.randn(2, 4, generator=draw, dtype=torch.float64)
    x = mean + normal(400_000, truth)
    right = (x @ weights / weights.norm() > eps).double()
    found = linear_accuracy(weights, mean, truth, eps)
    assert abs(float(right.mean()) - found) < 4 * (found * (1 - found) / len(x)) ** 0.5


def test_the_worst_point_is_the_worst_of_a_circle():
    covariance = torch.tensor([[1.0, 0.7], [0.7, 2.0]], dtype=torch.float64)
    points = torch.randn(50, 2, generator=generator(6), dtype=torch.float64)
    precision = torch.linalg.inv(covariance)
    angles = torch.linspace(0, 2 * math.pi, 2001, dtype=torch.float64)
    circle = 0.8 * torch.stack([angles.cos(), angles.sin()], dim=1)
    around = points[:, None] + circle
    best = (around @ precision * around).sum(2).amax(1)
    found = worst_points(points, covariance, eps=0.8)
    assert (found - points).norm(dim=1).numpy() == pytest.approx(0.8, abs=1e-9)
    assert (found @ precision * found).sum(1).numpy() == pytest.approx(best.numpy(), rel=1e-5)


@pytest.mark.parametrize("z", [[0.0, 3.0], [0.0, 0.1], [0.0, 0.0], [1e-9, 0.1]])
def test_the_worst_point_of_one_without_a_part_along_the_least_axis(z):
    points, least = torch.tensor([z], dtype=torch.float64), torch.tensor([1.0, 4.0], dtype=torch.float64)
    found = worst_points(points, least.diag(), eps=1.0)
    angles = torch.linspace(0, 2 * math.pi, 20001, dtype=torch.float64)
    around = points + torch.stack([angles.cos(), angles.sin()], dim=1)
    assert float((found - points).norm()) == pytest.approx(1.0, abs=1e-6)
    assert float((found.square() / least).sum()) == pytest.approx(
        float((around.square() / least).sum(1).max()), rel=1e-6
    )


def test_a_budget_for_each_point_fits_nearly_the_same():
    """In many dimensions all points are about as long, and the two budgets one."""
    for d, difference in ((2, 0.12), (60, 0.02)):
        truth = covariance_of(d)
        points = normal(4000, truth)
        empirical = points.T @ points / len(points)
        fitted = robust_fit(empirical, 1.0).covariance
        found = pointwise_fit(points, 1.0)
        assert float((found - fitted).norm() / fitted.norm()) < difference


@pytest.mark.parametrize(
    ("covariance", "said"),
    [
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
    ],
)
def test_what_is_no_covariance_is_refused(covariance, said):
    for ask in (robust_fit, descended_fit, partial(robust_loss, torch.eye(2))):
        with pytest.raises(NotbugsError, match=said):
            ask(covariance, 1.0)


@pytest.mark.parametrize("eps", [-1.0, math.inf, math.nan])
def test_a_budget_that_is_none_is_refused(eps):
    unit = torch.eye(2)
    for ask in (
        partial(robust_fit, unit), partial(robust_loss, unit, unit), partial(pointwise_fit, torch.randn(9, 2))
    ):  # fmt: skip
        with pytest.raises(NotbugsError, match="budget"):
            ask(eps)


def test_descent_needs_an_adversary():
    with pytest.raises(NotbugsError, match="eps must be positive"):
        descended_fit(torch.eye(2), 0.0)


def test_a_penalty_that_holds_nobody_back_is_refused():
    with pytest.raises(NotbugsError, match="above 1"):
        penalized_gap(torch.eye(2), 0.5)


def test_too_few_points_are_refused():
    with pytest.raises(NotbugsError, match="fit no covariance"):
        pointwise_fit(torch.ones(2, 2), 1.0)
