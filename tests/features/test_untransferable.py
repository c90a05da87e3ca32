"""Images that fool one model and leave others as they were; and images under a model's own answers."""

from dataclasses import replace

import pytest
import torch

from notbugs.data import LabeledImages
from notbugs.data.shards import shard_of
from notbugs.errors import NotbugsError
from notbugs.features import Answered, PushAlone, build_dataset, build_shard, prepare
from notbugs.features.untransferable import _divergence
from notbugs.models import ImageClassifier, build
from notbugs.recipes import students
from notbugs.threats import L2
from notbugs.training import TrainConfig, train

ALONE = PushAlone(threat=L2(2.0), steps=25, step_size=0.3, targets="next")


@pytest.fixture(scope="module")
def other(data: LabeledImages) -> ImageClassifier:
    """Another network that has learned the same images."""
    return train(
        build("convnet-16-16-16-16", classes=10, seed=9), data, TrainConfig(epochs=12, lr=0.1), seed=9
    )


def turned(model: ImageClassifier, made: LabeledImages) -> float:
    with torch.no_grad():
        return float((model(made.images).argmax(1) == made.labels).float().mean())


def test_the_other_is_moved_less_than_by_an_ordinary_push(
    model: ImageClassifier, other: ImageClassifier, data: LabeledImages
) -> None:
    part = data.first(60)
    source = prepare(model, part, others=[other], precision="float32")
    made = build_shard(ALONE, source, 0, seed=0)
    ordinary = build_shard(
        ALONE, replace(source, others=(lambda images: torch.zeros(len(images), 10),)), 0, seed=0
    )
    assert (ALONE.threat.size(made.images, part.images) <= 2.0 + 1e-4).all()
    assert turned(model, made) > 0.9
    with torch.no_grad():
        moved = [(other(one.images) - other(part.images)).norm(dim=1).mean() for one in (made, ordinary)]
    assert moved[0] < 0.7 * moved[1]
    assert torch.equal(made.labels, (part.labels + 1) % 10)
    assert ALONE.measured(shard_of(made))["fooling_rate"] == pytest.approx(turned(model, made))


def test_the_divergence_is_that_of_the_answer_before_from_the_one_after() -> None:
    before, logits = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.3, -1.0, 2.0]])
    after = torch.distributions.Categorical(logits=logits)
    wanted = torch.distributions.kl_divergence(torch.distributions.Categorical(probs=before), after)
    torch.testing.assert_close(_divergence(before, logits), wanted)


def test_a_whole_set_from_the_library(
    model: ImageClassifier, other: ImageClassifier, data: LabeledImages
) -> None:
    part = data.first(20)
    made = build_dataset(replace(ALONE, steps=2), model, part, others=[other], seed=0)
    assert torch.equal(made.labels, (part.labels + 1) % 10)
    assert other.training is False
    alone = build_dataset(replace(ALONE, steps=2), model, part, others=[model], seed=0)
    assert made.origin.recipe["others"] != alone.origin.recipe["others"]


def test_it_wants_others(model: ImageClassifier, data: LabeledImages) -> None:
    with pytest.raises(NotbugsError, match="need other models: give some"):
        build_shard(ALONE, prepare(model, data), 0, seed=0)


def test_others_must_fit_the_data(model: ImageClassifier, data: LabeledImages) -> None:
    with pytest.raises(NotbugsError, match="3 classes"):
        prepare(model, data, others=[build("convnet-8-8-8-8", classes=3, seed=0)])


def test_answers_become_labels(model: ImageClassifier, data: LabeledImages) -> None:
    made = build_dataset(Answered(), model, data, seed=0)
    with torch.no_grad():
        assert torch.equal(made.labels, model(data.images).argmax(1))
    assert torch.equal(made.images, data.images)
    wrong = float((made.labels != data.labels).float().mean())
    assert Answered().measured(shard_of(made)) == {"wrong_labels": pytest.approx(wrong)}


def test_a_student_for_each_set() -> None:
    usual, low = TrainConfig(epochs=1, lr=0.1), TrainConfig(epochs=1, lr=0.01)
    made = students(usual, "d_r", "d_det", d_det=low)
    assert [one.on for one in made.values()] == ["d_r", "d_det"]
    assert made["d_det"].how == low
