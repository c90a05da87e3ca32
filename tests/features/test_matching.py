"""D_R and D_NR."""

from dataclasses import replace

import pytest
import torch

from notbugs.data import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.features import MatchEmbeddings, robust_dataset
from notbugs.models import ImageClassifier

BUILD = {"steps": 15, "step_size": 0.3, "precision": "float32"}


@pytest.fixture(scope="module")
def built(model: ImageClassifier, data: LabeledImages) -> LabeledImages:
    return robust_dataset(model, data, seed=0, **BUILD)


def test_every_image_keeps_its_row_and_label(built: LabeledImages, data: LabeledImages) -> None:
    assert built.columns["index"].tolist() == list(range(len(data)))
    assert torch.equal(built.labels, data.labels)
    assert torch.equal(built.columns["original_label"], data.labels)


def test_the_embedding_approaches_the_originals(built: LabeledImages) -> None:
    assert built.columns["residual"].mean() < 0.6 * built.columns["start_residual"].mean()


def test_the_residual_is_that_of_the_model(
    built: LabeledImages, data: LabeledImages, model: ImageClassifier
) -> None:
    with torch.no_grad():
        wanted, found = model.embed(data.images), model.embed(built.images)
    residual = (found - wanted).norm(dim=1) / wanted.norm(dim=1)
    torch.testing.assert_close(built.columns["residual"], residual, rtol=1e-3, atol=1e-4)


def test_the_start_is_another_image_of_the_set(built: LabeledImages, data: LabeledImages) -> None:
    start = built.columns["start_index"]
    assert ((start >= 0) & (start < len(data)) & (start != built.columns["index"])).all()
    # The search moves at most steps * step_size away from it.
    moved = (built.images - data.images[start]).flatten(1).norm(dim=1)
    assert (moved <= BUILD["steps"] * BUILD["step_size"] + 1e-4).all()


def test_starts_do_not_depend_on_the_label(built: LabeledImages, data: LabeledImages) -> None:
    agree = (data.labels[built.columns["start_index"]] == data.labels).float().mean()
    assert agree < 0.25  # chance is 0.1; 240 images


def test_pixels_stay_in_the_box(built: LabeledImages) -> None:
    assert built.images.min() >= 0
    assert built.images.max() <= 1


def test_noise_starts_are_grey_noise(model: ImageClassifier, data: LabeledImages) -> None:
    from_noise = robust_dataset(model, data.first(20), seed=0, start="noise", steps=1, step_size=1e-6)
    assert (from_noise.columns["start_index"] == -1).all()
    assert from_noise.images.mean() == pytest.approx(0.5, abs=0.01)
    assert from_noise.images.std() == pytest.approx(0.05, abs=0.005)


def test_best_is_no_further_than_last(model: ImageClassifier, data: LabeledImages) -> None:
    part = data.first(40)
    settings = {"steps": 8, "step_size": 2.0, "precision": "float32", "seed": 0}  # steps too long to settle
    last, best = (robust_dataset(model, part, keep=keep, **settings) for keep in ("last", "best"))
    assert (best.columns["residual"] <= last.columns["residual"] + 1e-5).all()


def test_relative_distance_takes_the_same_steps(model: ImageClassifier, data: LabeledImages) -> None:
    # Per image it only scales the objective, and steps are normalised.
    part = data.first(10)
    absolute = robust_dataset(model, part, seed=0, **BUILD)
    relative = robust_dataset(model, part, seed=0, relative=True, **BUILD)
    torch.testing.assert_close(absolute.images, relative.images, atol=1e-3, rtol=0)


def test_same_seed_same_bytes_other_seed_other_images(model: ImageClassifier, data: LabeledImages) -> None:
    part = data.first(20)
    state = torch.get_rng_state()
    first, again = (robust_dataset(model, part, seed=3, steps=2, step_size=0.5) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.digest == again.digest
    assert robust_dataset(model, part, seed=4, steps=2, step_size=0.5).digest != first.digest


def test_one_image_cannot_start_from_another(model: ImageClassifier, data: LabeledImages) -> None:
    with pytest.raises(NotbugsError, match="at least 2 images; use start noise"):
        robust_dataset(model, data.first(1), seed=0, steps=1, step_size=0.1)


def test_a_model_for_other_classes_is_refused(model: ImageClassifier, data: LabeledImages) -> None:
    other = replace(data, class_names=("a", "b"), labels=data.labels % 2)
    with pytest.raises(NotbugsError, match="the model has 10 classes"):
        robust_dataset(model, other, seed=0, steps=1, step_size=0.1)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"step_size": -1.0}])
def test_senseless_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(NotbugsError):
        MatchEmbeddings(**{"steps": 1, "step_size": 0.1, **wrong})
