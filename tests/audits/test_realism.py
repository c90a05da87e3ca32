"""Measures of drawn images against sets and images of which the measures are known."""

import itertools
import math

import pytest
import torch

from notbugs.audits.estimate import bootstrapped, mean_of
from notbugs.audits.fidelity import error_inside, nearest_distance, psnr, rms_error, ssim
from notbugs.audits.realism import class_score, frechet_distance
from notbugs.errors import NotbugsError
from notbugs.seeds import generator


def normal(n, mean, deviations, seed):
    return torch.tensor(mean) + torch.randn(n, len(mean), generator=generator(seed)) * torch.tensor(
        deviations
    )


# Sets


def test_the_distance_of_two_gaussians_is_that_of_the_formula():
    first = normal(20_000, (0.0, 1.0, 2.0), (1.0, 2.0, 0.5), 0)
    second = normal(20_000, (1.0, 1.0, 0.0), (2.0, 1.0, 0.5), 1)
    wanted = (1 + 0 + 4) + (2 - 1) ** 2 + (1 - 2) ** 2  # axes are shared: deviations differ one by one
    assert frechet_distance(first, second) == pytest.approx(wanted, rel=0.03)


def test_a_set_is_at_no_distance_from_itself_in_any_basis():
    first, second = normal(300, (0.0,) * 8, (1.0,) * 8, 0), normal(300, (0.2,) * 8, (1.5,) * 8, 1)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=generator(2)))[0]
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first), rel=1e-6)
    assert frechet_distance(first @ turn, second @ turn) == pytest.approx(
        frechet_distance(first, second), rel=1e-4
    )


def test_fewer_images_than_features_have_a_distance_as_well():
    few = normal(5, (0.0,) * 20, (1.0,) * 20, 3)
    assert frechet_distance(few, few + 1) == pytest.approx(20, rel=1e-5)
    with pytest.raises(NotbugsError, match="2 images"):
        frechet_distance(few[:1], few)


def test_the_score_counts_the_classes_that_are_told_apart():
    assert class_score(torch.eye(4).repeat(5, 1)) == pytest.approx(4)
    assert class_score(torch.eye(4)[:2]) == pytest.approx(2)  # half of the classes are missing
    assert class_score(torch.full((6, 4), 0.25)) == pytest.approx(1)  # undecided
    assert class_score(torch.eye(4)[:1].repeat(6, 1)) == pytest.approx(1)  # all alike
    between = class_score(0.5 * torch.eye(4) + 0.125)
    assert 1 < between < 4


# Images


def test_signal_to_noise_is_minus_twenty_logs_of_the_error():
    grey = torch.full((2, 3, 4, 4), 0.5)
    moved = grey + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    assert torch.allclose(rms_error(moved, grey), torch.tensor([0.1, 0.01]))
    assert torch.allclose(psnr(moved, grey), torch.tensor([20.0, 40.0]), atol=1e-3)
    assert bool(psnr(grey, grey).isinf().all())


def test_the_similarity_of_flat_images_is_that_of_their_brightness():
    first, second = torch.full((1, 3, 16, 16), 0.4), torch.full((1, 3, 16, 16), 0.6)
    wanted = (2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4)
    assert ssim(first, second).item() == pytest.approx(wanted, rel=1e-4)


def test_the_similarity_falls_with_noise_and_does_not_ask_which_is_first():
    pictures = torch.rand(3, 3, 20, 24, generator=generator(4))
    noise = torch.randn(3, 3, 20, 24, generator=generator(5))
    values = [ssim(pictures + size * noise, pictures) for size in (0.0, 0.05, 0.1, 0.3)]
    assert torch.allclose(values[0], torch.ones(3), atol=1e-4)
    assert all(bool((after < before).all()) for before, after in itertools.pairwise(values))
    assert torch.allclose(ssim(pictures, pictures + noise), ssim(pictures + noise, pictures), atol=1e-6)


def test_the_error_inside_looks_at_nothing_outside():
    originals = torch.rand(2, 3, 6, 6, generator=generator(6))
    marks = torch.zeros(1, 6, 6, dtype=torch.bool)
    marks[:, :2, :2] = True
    changed = originals + 0.2 * marks[:, None] + 7 * ~marks[:, None]
    assert torch.allclose(error_inside(changed, originals, marks), torch.full((2,), 0.2))
    with pytest.raises(NotbugsError, match="nothing is marked"):
        error_inside(changed, originals, torch.zeros(1, 6, 6, dtype=torch.bool))


def test_what_was_learned_by_heart_is_at_no_distance():
    known = torch.rand(30, 3, 5, 5, generator=generator(7))
    new = torch.rand(4, 3, 5, 5, generator=generator(8))
    found = nearest_distance(torch.cat([known[[3, 17]], new]), known, batch_size=2)
    each = torch.stack([(new[:, None] - known).flatten(2).norm(dim=2).amin(1)])
    assert found[:2].max() < 1e-2
    assert torch.allclose(found[2:], each[0], atol=1e-4)


# Intervals


def test_an_interval_of_a_mean_holds_it_as_often_as_it_says():
    inside = 0
    for seed in range(300):
        low, high = mean_of(torch.randn(50, generator=generator(seed)) + 2).interval
        inside += low <= 2 <= high
    assert 0.91 <= inside / 300 <= 0.98


def test_an_interval_by_drawing_again_agrees_with_the_formula():
    values = torch.randn(200, generator=generator(9))
    drawn = bootstrapped(lambda rows: float(values[rows].mean()), 200, generator=generator(10), draws=1000)
    known = mean_of(values)
    assert drawn.value == pytest.approx(known.value, abs=1e-6)
    assert drawn.n == 200
    for one, other in zip(drawn.interval, known.interval, strict=True):
        assert math.isclose(one, other, abs_tol=0.02)


def test_one_image_has_no_interval():
    alone = mean_of(torch.ones(1))
    assert (alone.value, alone.interval, alone.n) == (1.0, None, 1)
    assert str(alone) == "1 (n=1)"
    with pytest.raises(NotbugsError, match="no images"):
        mean_of(torch.ones(0))


def test_few_images_have_students_interval():
    """It holds the mean of normal draws in 95 of 100 sets, as few as they are; the normal one would in 82 of 3."""
    draw = generator(0)
    for n in (2, 3, 10):
        sets = torch.randn(4000, n, generator=draw)
        inside = sum(low <= 0 <= high for low, high in (mean_of(one).interval for one in sets))
        assert 0.94 < inside / 4000 < 0.96, n


def test_an_interval_keeps_to_what_is_possible():
    sure = torch.eye(10)[torch.arange(50) % 10]
    found = bootstrapped(
        lambda rows: class_score(sure[rows]), 50, generator=generator(0), draws=20, possible=(1, 10)
    )
    assert found.value == 10
    assert found.interval[1] == 10
