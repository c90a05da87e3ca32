"""Accuracy under shifts: counted image by image, averaged and at its worst, for models whose answers are known."""

import pytest
import torch
from torch import nn

from notbugs.audits import Mean, Proportion, difference, predictions, quick_predictions, shifted, views_of
from notbugs.audits.reliance import ablations
from notbugs.data.planted import PlantedTruth, planted, truth_of
from notbugs.errors import NotbugsError
from notbugs.models import build, frozen
from notbugs.shifts import Corruption, Shift, WithoutColour, parse_band

DATA = planted("test", count=120)
BRIGHTNESS = [Corruption("brightness", severity) for severity in (1, 5)]


def brighter_than(threshold):
    """Class 1 for images whose mean lies above a threshold, else 0."""

    def classify(images):
        lead = images.mean((1, 2, 3)) - threshold
        return torch.stack([-lead, lead, *[torch.full_like(lead, -9.0)] * 8], dim=1)

    return classify


def test_it_counts_what_the_model_gets_right_under_each_shift():
    found = shifted(brighter_than(0.6), DATA, shifts=BRIGHTNESS)
    for number, shift in enumerate(BRIGHTNESS):
        expected = predictions(brighter_than(0.6), shift(DATA.images)) == DATA.labels
        assert torch.equal(found.right[number, 0], expected)
        assert found.accuracy(shift).value == pytest.approx(float(expected.float().mean()))
    assert found.clean_accuracy.count == int((found.clean).sum())


def test_the_worst_case_is_right_under_all_and_the_mean_lies_between():
    shifts = [Corruption(name, 5) for name in ("fog", "contrast", "gaussian_noise")]
    found = shifted(PlantedTruth().matched_filter("nonrobust"), DATA, shifts=shifts, seeds=(0, 1))
    every = found.right.flatten(0, 1)
    assert found.worst(shifts).count == int(every.all(0).sum())
    each = [found.accuracy(shift).value for shift in shifts]
    assert found.worst(shifts).value <= min(each)
    assert found.accuracy(shifts).value == pytest.approx(sum(each) / len(each))
    assert not torch.equal(found.right[2, 0], found.right[2, 1])


def test_trials_of_one_image_do_not_make_its_interval_narrower():
    once = torch.tensor([[True] * 30 + [False] * 30])
    often = once.repeat(50, 1)
    assert Mean.of(once).interval == pytest.approx(Mean.of(often).interval)
    assert Mean.of(once).n == 60
    low, high = Mean.of(torch.ones(3, 60, dtype=torch.bool)).interval
    assert (low < 0.97, high) == (True, 1.0)
    alike = torch.tensor([True, True, True, True, False])[:, None].expand(5, 20)
    low, high = Mean.of(alike).interval
    assert low < 0.7
    assert high > 0.87


@pytest.mark.parametrize("wrong", [0, 1, 7, 50])
def test_one_trial_an_image_is_a_proportion(wrong):
    right = torch.arange(50)[None] >= wrong
    assert Mean.of(right).interval == pytest.approx(Proportion(50 - wrong, 50).interval)


def test_differences_are_paired_by_image():
    first, second = (
        shifted(PlantedTruth().matched_filter(feature), DATA, shifts=BRIGHTNESS)
        for feature in ("robust", "nonrobust")
    )
    none = difference(first, first, BRIGHTNESS)
    assert none.value == 0.0
    assert none.interval == pytest.approx((-0.031, 0.031), abs=1e-3)  # agreement on 120 images proves no more
    found = difference(first, second, BRIGHTNESS)
    assert found.value == pytest.approx(second.accuracy(BRIGHTNESS).value - first.accuracy(BRIGHTNESS).value)
    low, high = found.interval
    assert low < found.value < high
    with pytest.raises(NotbugsError, match="must be the same"):
        difference(first, shifted(brighter_than(0.5), DATA.first(9), shifts=BRIGHTNESS), BRIGHTNESS)


@pytest.mark.parametrize("feature", ["robust", "nonrobust"])
def test_a_matched_filter_relies_on_its_feature_alone(feature):
    truth = truth_of(DATA)
    every = ablations(DATA)
    found = shifted(
        truth.matched_filter(feature),
        DATA,
        shifts=[shift for one in every for shift in (one.removed, one.kept)],
    )
    for family in every[:2]:
        without, only = found.accuracy(family.removed).value, found.accuracy(family.kept).value
        mine, other = (only, without) if family.name == feature else (without, only)
        assert mine == found.clean_accuracy.value
        assert other < 0.3
    by_name = {family.name: family for family in every}
    # Shapes lie below 3 cycles, patterns above 10.
    coarse = found.accuracy(by_name["low frequencies"].kept).value
    assert (coarse == found.clean_accuracy.value) == (feature == "robust")


def test_quick_predictions_are_those_of_the_model():
    """Also where the fast view alone would be wrong: nearly all leads lie within its rounding."""
    model = build("convnet-16-16-16-16", classes=10, seed=0).eval()
    images = DATA.images
    views = views_of(model, images.device, precision="bfloat16")
    with frozen(model):
        assert torch.equal(quick_predictions(views, images), predictions(model, images))


class Own(Shift):
    """A shift of the user's."""

    def __call__(self, images, *, seed=0, indices=None):
        return images.flip(3)

    def __str__(self):
        return "mirrored"


def test_any_shift_can_be_tried():
    found = shifted(brighter_than(0.45), DATA, shifts=[Own()])
    assert found.accuracy("mirrored").value == found.clean_accuracy.value


@pytest.mark.parametrize("asked", [{"shifts": []}, {"shifts": [WithoutColour()], "seeds": ()}])
def test_nothing_to_try_is_said(asked):
    with pytest.raises(NotbugsError, match="nothing to try"):
        shifted(brighter_than(0.5), DATA, **asked)


def test_a_shift_that_was_not_tried_is_said():
    found = shifted(brighter_than(0.5), DATA, shifts=[parse_band("low:8")])
    with pytest.raises(NotbugsError, match="tried: low:8"):
        found.accuracy("high:8")


def test_a_model_in_training_mode_is_asked_in_evaluation_mode_and_given_back():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(3072, 10)).train()
    first, second = (shifted(model, DATA, shifts=[WithoutColour()]) for _ in range(2))
    assert torch.equal(first.right, second.right)
    assert model.training
