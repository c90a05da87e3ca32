"""Planted data: what is said to be in the images is in them, and the closed forms hold under attack."""

import math
from dataclasses import replace

import pytest
import torch

from notbugs.attacks.pgd import PGD
from notbugs.data.labeled import Origin
from notbugs.data.planted import PlantedTruth, planted, truth_of
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L2

FEATURES = ("robust", "nonrobust", "spurious")
PLAIN, TAGGED = PlantedTruth(), PlantedTruth(spurious=True)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def train():
    return planted("train", count=2000)


@pytest.fixture(scope="module")
def tagged():
    return planted("train", count=1000, spurious=True)


def background_of(data, truth):
    """What is left of the images without grey and features."""
    rest = data.images - 0.5
    for feature in FEATURES[: 3 if truth.spurious else 2]:
        planted_class = data.columns[f"{feature}_class"]
        rest = rest - truth.norm(feature) * truth.directions(feature)[planted_class]
    return rest


# What is in the images


@pytest.mark.parametrize("truth", [PLAIN, TAGGED], ids=["plain", "tagged"])
def test_directions_are_orthonormal_within_and_across_features(truth):
    features = FEATURES[: 3 if truth.spurious else 2]
    flat = torch.cat([truth.directions(feature).flatten(1) for feature in features])
    torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat)), atol=1e-5, rtol=0)


def test_shapes_are_smooth_and_patterns_fine():
    rows, columns = torch.fft.fftfreq(32, 1 / 32), torch.fft.rfftfreq(32, 1 / 32)
    radius = (rows[:, None] ** 2 + columns**2).sqrt()
    for feature, low, high in (("robust", 0.5, 3), ("nonrobust", 10, 15)):
        energy = torch.fft.rfft2(PLAIN.directions(feature)).abs().square().sum((0, 1))
        inside = (radius >= low) & (radius <= high)
        assert energy[~inside].sum() < 1e-6 * energy.sum()


def test_images_lie_in_the_box_and_are_not_clipped_at_its_ends(train, tagged):
    for data in (train, tagged):
        assert data.images.dtype == torch.float32
        assert data.images.min() > 0
        assert data.images.max() < 1


def test_the_background_is_invisible_to_every_feature(train, tagged):
    for data, truth in ((train, PLAIN), (tagged, TAGGED)):
        background = background_of(data, truth)
        assert background.flatten(1).norm(dim=1).min() > 0.1
        for feature in FEATURES[: 3 if truth.spurious else 2]:
            inner = background.flatten(1) @ truth.directions(feature).flatten(1).T
            assert inner.abs().max() < 1e-4


def test_the_background_has_no_energy_in_the_patterns_band(train):
    energy = torch.fft.rfft2(background_of(train, PLAIN).double()).abs().square().sum((0, 1))
    rows, columns = torch.fft.fftfreq(32, 1 / 32), torch.fft.rfftfreq(32, 1 / 32)
    radius = (rows[:, None] ** 2 + columns**2).sqrt()
    assert energy[radius >= 10].sum() < 1e-6 * energy.sum()
    # and falls off like a natural image's: amplitude 1/f, so energy per frequency 1/f^2
    low, high = energy[(radius > 3) & (radius < 4)].mean(), energy[(radius > 7) & (radius < 9)].mean()
    assert 2.5 < low / high < 10


@pytest.mark.parametrize(
    "split, feature, p",
    [
        ("train", "robust", 0.9),
        ("train", "nonrobust", 0.97),
        ("train", "spurious", 0.98),
        ("test", "robust", 0.9),
        ("test", "nonrobust", 0.97),
        ("test", "spurious", 0.1),
    ],
)
def test_a_feature_agrees_with_the_label_as_often_as_said(split, feature, p):
    n, data = 2000, planted(split, count=2000, spurious=True)
    planted_class, bound = data.columns[f"{feature}_class"], 4 / math.sqrt(2000)
    assert (planted_class == data.labels).float().mean() == pytest.approx(
        p, abs=bound * math.sqrt(p * (1 - p))
    )
    # Where it does not, every other class is as likely as the next.
    others = ((planted_class - data.labels) % 10).bincount(minlength=10)[1:]
    expected = n * (1 - p) / 9
    assert (others - expected).abs().max() < 4.5 * math.sqrt(expected)
    assert data.labels.bincount(minlength=10).min() > 130


def test_errors_of_the_features_are_independent(train):
    wrong = [train.columns[f"{feature}_class"] != train.labels for feature in ("robust", "nonrobust")]
    both = (wrong[0] & wrong[1]).float().mean()
    assert both == pytest.approx(0.1 * 0.03, abs=4 * math.sqrt(0.003 / 2000))


# Repetition


def test_same_seed_same_bytes_and_other_splits_and_seeds_differ():
    state = torch.get_rng_state()
    first = planted("train", count=50)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.digest == planted("train", count=50).digest
    digests = {planted(split, count=50, seed=seed).digest for split in ("train", "test") for seed in (0, 1)}
    assert len(digests) == 4


def test_training_and_test_set_have_the_same_features_and_no_common_image():
    train, test = planted("train", count=300), planted("test", count=300)
    for data in (train, test):
        matched = PLAIN.matched_filter("nonrobust")(data.images).argmax(1)
        assert torch.equal(matched, data.columns["nonrobust_class"])
    assert torch.cdist(train.images.flatten(1), test.images.flatten(1)).min() > 0.1


def test_sizes_by_default():
    assert [len(planted(split)) for split in ("train", "test")] == [4000, 2000]


def test_the_truth_is_known_of_planted_data_only(train, tagged):
    assert truth_of(train) == PLAIN
    assert truth_of(tagged) == TAGGED
    other = planted("test", count=10, truth=PlantedTruth(classes=3, p_robust=0.5))
    assert truth_of(other) == PlantedTruth(classes=3, p_robust=0.5)
    photographs = replace(other, origin=Origin(name="planted"))
    assert truth_of(photographs) is None


def test_an_unknown_split_is_refused():
    with pytest.raises(NotbugsError, match="unknown split 'valid'"):
        planted("valid")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"classes": 1}, "classes must be 2 to 84"),
        ({"classes": 85}, "classes must be 2 to 84"),
        ({"image_size": 8}, "classes must be 2 to 0"),
        ({"p_robust": 1.2}, "p_robust must lie in"),
        ({"norm_nonrobust": -0.4}, "norm_nonrobust must be positive"),
        ({"background": 0.5}, "background must lie in"),
    ],
)
def test_an_impossible_truth_is_refused(options, message):
    with pytest.raises(NotbugsError, match=message):
        PlantedTruth(**options)


def test_features_that_leave_the_box_are_refused():
    with pytest.raises(NotbugsError, match="choose a smaller norm_robust"):
        planted("test", count=5, truth=PlantedTruth(norm_robust=60.0))
    with pytest.raises(NotbugsError, match="count must be positive, got 0"):
        planted("test", count=0)


# The closed forms


@pytest.mark.parametrize("feature", FEATURES)
def test_a_matched_filter_reads_the_planted_class_from_every_image(feature, tagged):
    logits = TAGGED.matched_filter(feature)(tagged.images)
    columns = tagged.columns[f"{feature}_class"]
    expected = TAGGED.norm(feature) * torch.nn.functional.one_hot(columns, 10).float()
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


SMALL = PlantedTruth(norm_robust=1.5, norm_nonrobust=0.35, background=0.02)
"""Features so small that the box does not bind for an adversary who just beats them."""


@pytest.mark.parametrize("feature", ["robust", "nonrobust"])
def test_accuracy_under_attack_falls_at_the_margin_and_nowhere_else(feature):
    data = planted("test", count=150, truth=SMALL)
    model = SMALL.matched_filter(feature)
    right = data.columns[f"{feature}_class"] == data.labels

    def survives(eps):
        attack = PGD(threat=L2(eps), steps=25, step_size=eps / 8, loss="margin", random_start=False)
        found = attack(model, data.images, data.labels, generator=generator(0))
        return model(found).argmax(1) == data.labels

    margin = SMALL.margin(feature)
    assert torch.equal(survives(margin * 0.999), right)
    assert not survives(margin * 1.01).any()
    for eps in (0.0, margin * 0.999, margin * 1.01):
        expected = float(right.float().mean()) if eps < margin else 0.0
        bound = 4 * math.sqrt(0.25 / len(data))
        assert SMALL.accuracy_of(feature, eps=eps) == pytest.approx(expected, abs=bound)


def test_the_default_truth_is_on_both_sides_of_the_papers_budgets():
    assert PLAIN.accuracy_of("robust", eps=0.5) == 0.9
    assert PLAIN.accuracy_of("nonrobust") == 0.97
    assert PLAIN.accuracy_of("nonrobust", eps=0.5) == 0.0


@pytest.mark.parametrize("feature", ["robust", "nonrobust"])
@pytest.mark.parametrize("learned_shift", [0, 1])
def test_accuracy_on_shifted_labels(feature, learned_shift, train):
    answers = (train.columns[f"{feature}_class"] + learned_shift) % 10
    measured = (answers == (train.labels + 1) % 10).float().mean()
    expected = PLAIN.shifted_accuracy_of(feature, learned_shift=learned_shift)
    assert measured == pytest.approx(expected, abs=0.03)
