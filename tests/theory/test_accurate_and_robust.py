"""A robust and accurate classifier exists, and maximum likelihood finds another."""

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory.accurate_and_robust import TwoFeatures
from notbugs.theory.gaussian import robust_fit

TOY = TwoFeatures()
FITTED = torch.linalg.solve(TOY.covariance, TOY.means)


@pytest.mark.parametrize("weights", [FITTED, torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 2.0])], ids=str)
def test_accuracies_and_margins_are_those_of_draws(weights):
    x, y = TOY.draw(400_000, generator(0))
    reach = y * (x @ weights.double()) / weights.double().norm()
    assert float(reach.min()) == pytest.approx(TOY.margin(weights), abs=0.02)
    for eps in (0.0, 0.25, 0.4, 0.9):
        found, wanted = float((reach > eps).double().mean()), TOY.accuracy(weights, eps)
        assert abs(found - wanted) < 4 * (wanted * (1 - wanted) / len(x)) ** 0.5 + 1e-9


def test_moments_are_those_of_draws():
    x, y = TOY.draw(400_000, generator(1))
    towards = x * y[:, None]
    assert towards.mean(0).numpy() == pytest.approx(TOY.means.numpy(), abs=0.01)
    assert towards.T.cov().numpy() == pytest.approx(TOY.covariance.numpy(), abs=0.005)


def test_maximum_likelihood_is_right_and_not_robust():
    assert TOY.accuracy(FITTED) == 1.0
    assert TOY.margin(torch.tensor([1.0, 0.0])) == 1.0
    assert TOY.margin(FITTED) < 0.3
    assert TOY.accuracy(FITTED, eps=0.5) < 0.2
    robust = torch.linalg.solve(robust_fit(TOY.covariance, 0.5).covariance, TOY.means)
    assert TOY.accuracy(robust, eps=0.5) == TOY.accuracy(robust) == 1.0


@pytest.mark.parametrize("half_width", [0.0, 0.3])
def test_a_small_feature_that_is_sometimes_wrong_is_refused(half_width):
    with pytest.raises(NotbugsError, match="always be right"):
        TwoFeatures(mean=0.3, half_width=half_width)
