"""D_rand and D_det."""

from dataclasses import replace

import pytest
import torch

from notbugs.attacks import PGD
from notbugs.data import LabeledImages
from notbugs.data.shards import shard_of
from notbugs.errors import NotbugsError
from notbugs.features import PushToTarget, nonrobust_dataset
from notbugs.models import ImageClassifier
from notbugs.recipes import targeted_attack
from notbugs.threats import L2, Linf, Threat

HALF = L2(0.5)


def built(model: ImageClassifier, data: LabeledImages, targets: str, threat: Threat = HALF) -> LabeledImages:
    attack = targeted_attack(threat, steps=15, step_size=threat.eps / 5)
    return nonrobust_dataset(model, data, attack=attack, targets=targets, seed=0, precision="float32")


@pytest.mark.parametrize("threat", [L2(0.5), Linf(4 / 255)], ids=str)
def test_every_image_stays_in_the_threat(model: ImageClassifier, data: LabeledImages, threat: Threat) -> None:
    made = built(model, data.first(60), "next", threat)
    size = threat.size(made.images, data.images[:60])
    assert (size <= threat.eps + 1e-5).all()
    torch.testing.assert_close(size, made.columns["distance"])
    assert made.images.min() >= 0
    assert made.images.max() <= 1


def test_next_targets_are_all_wrong(model: ImageClassifier, data: LabeledImages) -> None:
    made = built(model, data, "next")
    assert torch.equal(made.labels, (data.labels + 1) % 10)
    assert torch.equal(made.columns["target"], made.labels)
    assert torch.equal(made.columns["original_label"], data.labels)
    assert (made.labels != data.labels).all()


def test_random_targets_are_uniform_over_all_classes(model: ImageClassifier, data: LabeledImages) -> None:
    attack = PGD(threat=L2(0.5), steps=1, step_size=0.1, targeted=True, random_start=False, keep="last")
    made = nonrobust_dataset(model, data, attack=attack, targets="random", seed=0)
    assert made.labels.bincount(minlength=10).min() >= 10  # 24 expected of each
    assert 0.02 < (made.labels == data.labels).float().mean() < 0.25  # the label itself is one of them


def test_fooled_is_the_models_own_verdict(model: ImageClassifier, data: LabeledImages) -> None:
    made = built(model, data, "next", L2(4.0))  # far enough to move shapes
    with torch.no_grad():
        verdict = model(made.images).argmax(1) == made.labels
    assert torch.equal(made.columns["fooled"], verdict)
    assert verdict.float().mean() > 0.9


def test_an_untargeted_attack_is_refused() -> None:
    with pytest.raises(NotbugsError, match="targeted=True"):
        PushToTarget(attack=PGD(threat=L2(0.5), steps=1, step_size=0.1), targets="next")


def test_an_image_whose_own_label_was_drawn_needs_no_fooling(data: LabeledImages) -> None:
    part = data.first(4)
    pushed = PushToTarget(attack=targeted_attack(HALF, steps=1, step_size=0.1), targets="random")
    made = replace(
        part,
        columns={
            "original_label": torch.tensor([0, 1, 2, 3]),
            "target": torch.tensor([0, 1, 5, 6]),
            "fooled": torch.tensor([True, True, True, False]),
            "distance": torch.zeros(4),
        },
    )
    assert pushed.measured(shard_of(made))["fooling_rate"] == 0.5
    own = replace(made, columns={**made.columns, "target": made.columns["original_label"]})
    assert pushed.measured(shard_of(own))["fooling_rate"] == 0.75
