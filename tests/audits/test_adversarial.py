"""Audits: the harness counts, the attack only proposes."""

from dataclasses import dataclass, replace

import pytest
import torch

from notbugs.attacks import PGD
from notbugs.audits import audit, default_attacks
from notbugs.data import LabeledImages
from notbugs.data.planted import PlantedTruth, planted
from notbugs.errors import NotbugsError
from notbugs.models import build
from notbugs.threats import L2, Linf

TRUTH = PlantedTruth()


@pytest.fixture(scope="module")
def data() -> LabeledImages:
    return planted("test", count=300)


@pytest.mark.parametrize("feature", ["robust", "nonrobust"])
def test_below_the_margin_nothing_falls_above_it_everything(data: LabeledImages, feature: str) -> None:
    classifier, margin = TRUTH.matched_filter(feature), TRUTH.margin(feature)
    below = audit(classifier, data, threat=L2(0.98 * margin), precision="float32")
    assert below.robust == below.clean
    if feature == "nonrobust":  # the robust shape's margin reaches past the pixel box
        above = audit(classifier, data, threat=L2(1.05 * margin), precision="float32")
        assert above.robust_accuracy == 0.0


def test_what_an_attack_returns_is_not_believed(data: LabeledImages) -> None:
    """An attack that cheats, leaving the ball, fells nothing."""

    @dataclass(frozen=True)
    class Cheat:
        threat: L2
        loss: str = "cheat"

        def __call__(self, model, images, labels, *, generator):
            return torch.rand(images.shape, generator=generator)

    found = audit(TRUTH.matched_filter("robust"), data, threat=L2(0.5), attacks=[Cheat(L2(0.5))])
    assert found.robust == found.clean


def test_reduced_precision_never_flatters(data: LabeledImages) -> None:
    model = build("convnet-16-16-16-16", classes=10, seed=0)
    in_float32 = audit(model, data, threat=L2(0.5), precision="float32")
    in_bfloat16 = audit(model, data, threat=L2(0.5), precision="bfloat16")
    assert in_bfloat16.clean == in_float32.clean
    assert in_bfloat16.robust_accuracy <= in_float32.robust_accuracy + 0.01


def test_felled_and_standing_add_up(data: LabeledImages) -> None:
    model = build("convnet-16-16-16-16", classes=10, seed=0)
    found = audit(model, data, threat=Linf(1 / 255))
    assert found.robust.count + sum(found.felled) == found.clean.count


def test_the_result_carries_threat_attack_and_n(data: LabeledImages) -> None:
    found = audit(TRUTH.matched_filter("robust"), data, threat=L2(0.25)).to_json()
    assert found["config"]["threat"] == "l2:0.25"
    assert len(found["config"]["attacks"]) == 2
    assert found["metrics"]["n"] == 300
    low, high = found["intervals"]["robust_accuracy"]
    assert low <= found["metrics"]["robust_accuracy"] <= high


def test_the_model_is_left_as_it_was(data: LabeledImages) -> None:
    model = build("convnet-16-16-16-16", classes=10, seed=0).train()
    audit(model, data.first(20), threat=L2(0.1))
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_no_attack_is_no_audit(data: LabeledImages) -> None:
    with pytest.raises(NotbugsError, match="at least one attack"):
        audit(TRUTH.matched_filter("robust"), data, threat=L2(0.5), attacks=[])


def test_the_default_leaves_fooled_images_out() -> None:
    assert all(isinstance(attack, PGD) and attack.stop_when_fooled for attack in default_attacks(L2(0.5)))
    assert replace(default_attacks(L2(0.5))[0], loss="margin") == default_attacks(L2(0.5))[1]
