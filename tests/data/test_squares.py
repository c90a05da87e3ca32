"""Adversarial Squares: the grey says the class, the noise says nothing, and only training labels are wrong."""

import pytest
import torch

from notbugs.data import load
from notbugs.data.squares import CONTRAST, NOISE, squares
from notbugs.errors import NotbugsError


def test_the_grey_says_the_true_label_under_any_small_change():
    data = squares(count=400)
    side = 2 * data.columns["true_label"] - 1
    for changed in (data.images - 0.89 * CONTRAST, data.images + 0.89 * CONTRAST):
        assert ((changed.flatten(1).mean(1) - 0.5).sign().long() == side).all()
    least = (data.images - 0.5).abs().amin()
    assert least >= (1 - NOISE) * CONTRAST - 1e-6


def test_a_tenth_of_the_training_labels_is_wrong_and_none_of_the_tests():
    train, test = load("squares"), load("squares", split="test")
    assert len(train) == 10_000
    assert len(test) == 2_000
    wrong = (train.labels != train.columns["true_label"]).double().mean()
    assert abs(float(wrong) - 0.1) < 0.015
    assert test.labels.equal(test.columns["true_label"])


def test_noise_knows_nothing_of_labels():
    data = squares(count=4000, image_size=8)
    noise = data.images - data.images.flatten(1).mean(1)[:, None, None, None]
    by_label = [noise[data.labels == label].mean(0) for label in (0, 1)]
    deviation = CONTRAST * NOISE / 3**0.5
    assert (by_label[1] - by_label[0]).abs().max() < 5 * deviation * (2 / 2000) ** 0.5


def test_draws_follow_the_seed_and_shares_are_checked():
    assert torch.equal(squares(count=9, seed=3).images, squares(count=9, seed=3).images)
    assert not torch.equal(squares(count=9, seed=3).images, squares(count=9, seed=4).images)
    assert squares(count=9).origin.recipe != squares(count=9, image_size=8).origin.recipe
    with pytest.raises(NotbugsError, match="count must be positive, got 0"):
        squares(count=0)
    with pytest.raises(NotbugsError, match="unknown split 'valid'"):
        squares("valid")
    with pytest.raises(NotbugsError, match=r"wrong must lie in \[0, 0.5\), got 0.5"):
        squares(wrong=0.5)
    with pytest.raises(NotbugsError, match="squares takes nothing after a colon"):
        load("squares:big")
