"""Noise has the moments of its law."""

import math

import pytest
import torch

from notbugs.shifts import Corruption
from notbugs.shifts.draws import draws_of
from notbugs.shifts.photons import shot_noise
from notbugs.shifts.severity import CIFAR, IMAGENET


def _grey(value: float, side: int = 400) -> torch.Tensor:
    return torch.full((1, 3, side, side), value)


def _photons(value: float, photons: float, side: int = 400, seed: int = 0) -> torch.Tensor:
    draws = draws_of(range(1), "shot_noise", seed=seed)
    return shot_noise(_grey(value, side), (photons,), draws).double().mul_(photons).round_()


@pytest.mark.parametrize("severity", [1, 5])
def test_gaussian_and_speckle_variance(severity):
    spread = CIFAR["gaussian_noise"][severity - 1][0]
    noise = Corruption("gaussian_noise", severity, "cifar")(_grey(0.5)) - 0.5
    assert noise.var() == pytest.approx(spread**2, rel=0.02)
    spread = CIFAR["speckle_noise"][severity - 1][0]
    noise = Corruption("speckle_noise", severity, "cifar")(_grey(0.4)) - 0.4
    assert noise.var() == pytest.approx((0.4 * spread) ** 2, rel=0.02)


@pytest.mark.parametrize("severity", [1, 5])
def test_impulses_are_black_or_white_as_often(severity):
    share = IMAGENET["impulse_noise"][severity - 1][0]
    noisy = Corruption("impulse_noise", severity, "imagenet")(_grey(0.5))
    for extreme in (0, 1):
        error = 4 * math.sqrt(share / 2 / noisy.numel())
        assert (noisy == extreme).float().mean() == pytest.approx(share / 2, abs=error + 2e-5)
    assert set(noisy.unique().tolist()) == {0, 0.5, 1}


@pytest.mark.parametrize("photons", [3, 60, 500, 12.5])
@pytest.mark.parametrize("value", [1 / 255, 0.2, 0.5002, 1.0])
def test_photons_have_a_mean_and_a_variance_of_one_size(photons, value):
    counts = _photons(value, photons)
    rate, n = value * photons, counts.numel()
    assert counts.mean() == pytest.approx(rate, abs=5 * math.sqrt(rate / n))
    error = 5 * math.sqrt((rate + 2 * rate**2) / n)
    assert counts.var() == pytest.approx(rate, abs=error)


@pytest.mark.parametrize("photons, level", [(3, 255), (12, 40), (60, 128), (60, 4), (500, 255), (500, 2)])
def test_photons_follow_the_law_of_poisson_into_its_tails(photons, level):
    """Chi-square over all counts that are expected ten times or more, the rest together."""
    counts = _photons(level / 255, photons, side=1000)
    rate, n = level / 255 * photons, counts.numel()
    numbers = torch.arange(int(rate + 12 * math.sqrt(rate)) + 20, dtype=torch.float64)
    expected = torch.exp(numbers * math.log(rate) - rate - torch.lgamma(numbers + 1)) * n
    found = torch.bincount(counts.round().long().flatten(), minlength=len(numbers))[: len(numbers)].double()
    often = expected >= 10
    rest = (found[~often].sum() - expected[~often].sum()).square() / expected[~often].sum().clamp_min(1)
    square = ((found - expected).square() / expected)[often].sum() + rest
    freedom = int(often.sum())
    assert square < freedom + 5 * math.sqrt(2 * freedom)
    assert found.sum() == n


def test_a_value_between_two_levels_is_not_rounded():
    photons, value = 500, 100.5 / 255
    rate, counts = photons * value, _photons(value, photons)
    assert counts.mean() == pytest.approx(rate, abs=5 * math.sqrt(rate / counts.numel()))
    assert abs(counts.mean() - photons * 100 / 255) > 0.5


def test_black_has_no_photons():
    assert not _photons(0.0, 60).any()


def test_draws_are_even():
    draws = draws_of(range(2), "test", seed=0)
    for drawn in (draws.uniform(300, 300, low=-2, high=4), draws.coarse(300, 300, low=-2, high=4)):
        assert drawn.mean() == pytest.approx(1, abs=0.03)
        assert drawn.var() == pytest.approx(3, rel=0.02)
        assert -2 <= drawn.amin() < -1.99
        assert 3.99 < drawn.amax() <= 4
    counts = torch.bincount(draws.integers(-3, 3, 300, 300).add(3).flatten())
    assert ((counts / counts.sum() - 1 / 6).abs() < 0.005).all()
    assert draws.uniform().shape == (2,)
    assert draws.integers(0, 5).shape == (2,)
