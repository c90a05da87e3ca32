"""Where robustness costs accuracy: exact accuracies against draws, and a bound that nothing crosses."""

import math

import pytest
import torch
from torch import nn

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory.tradeoff import Tradeoff

N = 200_000


def random_setting(draw):
    p, eta, weak = torch.rand(3, generator=draw, dtype=torch.float64).tolist()
    return Tradeoff(p=0.5 + 0.499 * p, eta=10 ** (-2 + 2 * eta), weak=int(10 ** (3 * weak)) + 1)


def test_accuracies_are_those_of_draws():
    setting = Tradeoff(p=0.9, eta=0.3, weak=20)
    draw = generator(0)
    weights = torch.randn(6, 21, generator=draw) + 1
    x, y = setting.draw(N, draw)
    values = y[:, None] * (x @ weights.T)
    for eps in (0.0, 0.2, 0.6):
        found = ((values - eps * weights.abs().sum(1)) > 0).double().mean(0)
        error = (found * (1 - found) / N).sqrt() + 1e-5
        assert ((found - setting.accuracy(weights, eps)).abs() < 4 * error).all()


def test_a_thousand_settings_do_not_cross_the_bound():
    draw = generator(1)
    for _ in range(1000):
        setting = random_setting(draw)
        random = torch.randn(20, setting.weak + 1, generator=draw, dtype=torch.float64)
        random[10:] = random[10:].abs()
        random[:, 0] *= setting.weak * 10 ** torch.linspace(-3, 1, 20, dtype=torch.float64)
        bound = setting.bound(setting.accuracy(random))
        assert (setting.accuracy(random, eps=2 * setting.eta) <= bound + 1e-12).all()
        if setting.eta < 0.5:
            clean, robust = setting.frontier(torch.linspace(0, 20, 50, dtype=torch.float64))
            assert (robust <= setting.bound(clean) + 1e-12).all()


def test_networks_do_not_cross_it_either():
    """The adversary of the proof is one of many: what is left under it is at least the robust accuracy."""
    draw = generator(2)
    for seed in range(20):
        setting = Tradeoff(p=0.85 + 0.007 * seed, eta=0.15, weak=50)
        x, y = setting.draw(20_000, draw)
        hidden = torch.randn(51, 16, generator=draw)
        head = torch.linalg.lstsq(nn.functional.relu(x @ hidden), y[:, None]).solution
        x, y = setting.draw(N, draw)

        def accuracy(points, hidden=hidden, head=head, y=y):
            return (y * (nn.functional.relu(points @ hidden) @ head)[:, 0] > 0).double().mean()

        clean, turned = accuracy(x), accuracy(setting.turned(x, y))
        error = 4 * (0.25 / N) ** 0.5 / (1 - setting.p)
        assert turned <= setting.bound(clean) + error


def test_the_adversary_of_the_proof_stays_within_its_budget():
    setting = Tradeoff(p=0.9, eta=0.2, weak=5)
    x, y = setting.draw(1000, generator(3))
    moved = setting.turned(x, y)
    assert float((moved - x).abs().max()) == pytest.approx(0.4, rel=1e-5)
    assert torch.equal(moved[:, 0], x[:, 0])
    again = moved[:, 1:] * y[:, None]
    assert float(again.mean()) == pytest.approx(-0.2, abs=0.06)


def test_the_frontier_is_reached_and_not_crossed():
    setting = Tradeoff(p=0.9, eta=0.2, weak=30)
    strong = torch.linspace(0, 8, 400, dtype=torch.float64)
    clean, robust = setting.frontier(strong)
    assert clean.argmax() == (strong - math.log(9) / 2).abs().argmin(), "the best is Bayes'"
    x, y = setting.draw(N, generator(5))
    for c in (0.5, 1.1, 3.0):
        said = [
            (0.2 * points[:, 1:].sum(1) + c * points[:, 0]).sign() == y
            for points in (x, setting.turned(x, y))
        ]
        wanted = setting.frontier(torch.tensor([c], dtype=torch.float64))
        for found, accuracy in zip(said, wanted, strict=True):
            p = float(accuracy)
            assert abs(float(found.double().mean()) - p) < 4 * (p * (1 - p) / N) ** 0.5
    others = torch.randn(2000, 31, generator=generator(4), dtype=torch.float64).abs()
    others[:, 0] *= 10 ** torch.linspace(-1, 3, 2000, dtype=torch.float64)
    best = torch.where(strong >= math.log(9) / 2, robust, 0)
    for accuracy, left in zip(setting.accuracy(others), setting.accuracy(others, eps=0.4), strict=True):
        assert left <= best[clean >= accuracy - 1e-3].max() + 2e-3
    assert (robust <= setting.bound(clean) + 1e-12).all()


def test_an_adversary_that_turns_the_strong_feature_has_another_frontier():
    with pytest.raises(NotbugsError, match=r"eta below 0\.5"):
        Tradeoff(p=0.9, eta=0.5, weak=1).frontier(torch.tensor([1.0]))


@pytest.mark.parametrize("wrong", [{"p": 1.0}, {"p": 0.4}, {"eta": 0.0}, {"weak": 0}])
def test_a_setting_that_is_none_is_refused(wrong):
    with pytest.raises(NotbugsError, match="a trade-off needs"):
        Tradeoff(**{"p": 0.9, "eta": 0.1, "weak": 5, **wrong})
