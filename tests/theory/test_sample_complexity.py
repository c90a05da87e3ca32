"""How many points robustness needs: accuracies against draws of whole data sets, and the way they grow."""

import math

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory.sample_complexity import BernoulliModel, GaussianModel, folded_mean

N = 50_000


def within(found, wanted, n):
    return abs(found - wanted) < 4 * (wanted * (1 - wanted) / n) ** 0.5 + 1e-4


@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_gaussian_accuracy_is_that_of_draws(eps):
    model, draw = GaussianModel(d=64, sigma=4.0), generator(0)
    w = model.learn(3, draw)
    x = 1 + model.sigma * torch.randn(N, model.d, generator=draw, dtype=torch.float64)
    assert within(float(((x @ w) > eps * w.abs().sum()).double().mean()), model.accuracy(w, eps), N)


def test_what_is_learned_is_the_mean_of_points():
    model, draw = GaussianModel(d=5000, sigma=2.0), generator(1)
    points = 1 + model.sigma * torch.randn(7, model.d, generator=draw, dtype=torch.float64)
    by_hand, drawn = points.mean(0), model.learn(7, draw)
    assert float(by_hand.mean()) == pytest.approx(float(drawn.mean()), abs=0.05)
    assert float(by_hand.std()) == pytest.approx(float(drawn.std()), rel=0.05)


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_bernoulli_accuracy_is_that_of_draws(eps):
    model, draw = BernoulliModel(d=400, tau=0.15), generator(2)
    w = model.draw(5, draw).double().mean(0)
    x = model.draw(N, draw).double()
    found = float(((x @ w) > eps * w.abs().sum()).double().mean())
    assert (
        abs(found - model.accuracy(w, eps)) < 0.02
    )  # the central limit theorem, over 400 values of few sizes
    drawn = model.learn(5, draw)
    assert float(drawn.mean()) == pytest.approx(float(w.mean()), abs=0.08)
    assert float(drawn.std()) == pytest.approx(float(w.std()), rel=0.1)


def test_rounding_undoes_every_change_below_one():
    model, draw = BernoulliModel(d=256, tau=0.25), generator(3)
    w, x = model.learn(1, draw), model.draw(2000, draw).double()
    attacked = x - 0.99 * w.sign()
    assert torch.equal(attacked.sign(), x)
    assert model.rounded_accuracy(w, 0.99) == model.accuracy(w) > 0.9
    assert model.rounded_accuracy(w, 1.0) == 0.0
    assert model.accuracy(w, 0.99) < 0.01


@pytest.mark.parametrize("s", [0.1, 1.0, 5.0])
def test_mean_of_a_folded_normal_variable(s):
    draws = (1 + s * torch.randn(400_000, generator=generator(4), dtype=torch.float64)).abs()
    assert abs(float(draws.mean()) - folded_mean(s)) < 4 * float(draws.std()) / len(draws) ** 0.5


def test_the_limit_is_where_large_dimensions_go():
    model = GaussianModel.of(100_000)
    for n, eps in ((1, 0.0), (4, 0.0), (14, 0.5), (17, 0.5), (40, 0.5)):
        draws = [model.accuracy(model.learn(n, generator(5, n, number)), eps) for number in range(12)]
        found = torch.tensor(draws, dtype=torch.float64)
        wanted = model.limit_accuracy(n, eps)
        assert abs(float(found.mean()) - wanted) < 4 * float(found.std()) / 12**0.5 + 2e-3


def test_points_needed_grow_like_the_root_of_the_dimension():
    def needed(d, eps):
        model, n = GaussianModel.of(d), 1
        while model.limit_accuracy(n, eps) < 0.9:
            n += 1
        return n

    dims = [2**k for k in range(12, 25, 2)]
    assert [needed(d, 0.0) for d in dims] == [1] * len(dims)
    slope = math.log(needed(dims[-1], 0.5) / needed(dims[0], 0.5)) / math.log(dims[-1] / dims[0])
    assert slope == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("tau", [0.0, 0.6])
def test_a_tau_that_is_none_is_refused(tau):
    with pytest.raises(NotbugsError, match="tau"):
        BernoulliModel(d=4, tau=tau)


@pytest.mark.parametrize("wrong", [{"d": 0}, {"sigma": 0.0}, {"sigma": -1.0}, {"sigma": math.nan}])
def test_a_noise_that_is_none_is_refused(wrong):
    with pytest.raises(NotbugsError, match="sigma > 0"):
        GaussianModel(**{"d": 4, "sigma": 1.0, **wrong})


def test_values_that_always_agree():
    model, w = BernoulliModel(d=4, tau=0.5), torch.ones(4)
    assert (model.accuracy(w, 0.9), model.accuracy(w, 1.0)) == (1.0, 0.0)


def test_nothing_is_learned_from_no_points():
    for model in (GaussianModel.of(4), BernoulliModel.of(16)):
        with pytest.raises(NotbugsError, match="no points"):
            model.learn(0, generator(6))
