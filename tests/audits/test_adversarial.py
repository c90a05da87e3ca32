"""Audits: the harness counts, the attack only proposes."""

import math
from dataclasses import dataclass, replace

import pytest
import torch

from notbugs.attacks import FMN, PGD
from notbugs.audits import (
    AdversarialAudit,
    audit,
    cascade,
    default_attacks,
    nearest_attack,
    predictions,
    propose,
    suite_attacks,
    views_of,
)
from notbugs.data import LabeledImages
from notbugs.data.planted import PlantedTruth, planted
from notbugs.errors import NotbugsError
from notbugs.models import ImageClassifier, build
from notbugs.seeds import generator
from notbugs.threats import L1, L2
from notbugs.training import TrainConfig, train

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


@pytest.fixture(scope="module")
def trained() -> ImageClassifier:
    """A network that some images of `data` leave standing at L2 0.07."""
    model = build("convnet-16-32-32-32", classes=10, seed=0)
    config = TrainConfig(epochs=8, lr=0.1, batch_size=64, precision="float32")
    return train(model, planted("train", count=1500), config, seed=0)


Watched = tuple[AdversarialAudit, list[tuple[int, int]]]


@pytest.fixture(scope="module")
def watched(data: LabeledImages, trained: ImageClassifier) -> Watched:
    """An audit with every default, and how far it said to be."""
    reports: list[tuple[int, int]] = []
    found = audit(
        trained, data, threat=L2(0.07), progress=lambda done, total, note: reports.append((done, total))
    )
    return found, reports


def test_reduced_precision_never_flatters(data: LabeledImages, trained: ImageClassifier) -> None:
    in_float32 = audit(trained, data, threat=L2(0.07), precision="float32")
    in_bfloat16 = audit(trained, data, threat=L2(0.07), precision="bfloat16")
    assert 30 < in_float32.robust.count < in_float32.clean.count - 30
    assert in_bfloat16.clean == in_float32.clean
    assert in_bfloat16.robust.count <= in_float32.robust.count + 2  # of 300


def test_every_attack_fells_what_those_before_it_left(data: LabeledImages, trained: ImageClassifier) -> None:
    weak, strong = (PGD(threat=L2(eps), steps=5, step_size=eps, random_start=False) for eps in (0.04, 0.07))
    both = audit(trained, data, threat=L2(0.07), attacks=[weak, strong])
    alone = audit(trained, data, threat=L2(0.07), attacks=[weak])
    assert both.felled[0] == alone.felled[0] == alone.clean.count - alone.robust.count > 0
    assert both.felled[1] > 0
    assert both.robust.count == both.clean.count - sum(both.felled)
    assert [count for _, count in both.to_json()["felled"]] == list(both.felled)


def test_an_attack_of_a_larger_threat_fells_nothing_by_leaving_the_asked_one(
    data: LabeledImages, trained: ImageClassifier
) -> None:
    too_far = PGD(threat=L2(2.0), steps=5, step_size=0.5, keep="last", random_start=False)
    found = audit(trained, data, threat="l2:0.05", attacks=[too_far])
    assert found.robust == found.clean
    (flag,) = (flag for flag in found.flags if flag.name == "other_threat")
    assert flag.found.startswith("pgd:l2:2:5 did not search l2:0.05")


def test_the_result_carries_threat_attack_and_n(data: LabeledImages) -> None:
    found = audit(TRUTH.matched_filter("robust"), data, threat=L2(0.25)).to_json()
    assert found["config"]["threat"] == "l2:0.25"
    assert found["config"]["attacks"] == list(map(str, suite_attacks("fast", L2(0.25), classes=10)))
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


def test_the_nearest_found_in_bfloat16_lie_on_the_boundary_of_the_model_itself(data, trained) -> None:
    part, seek = data.first(60), FMN(threat=L2(math.inf), steps=60)
    found = {}
    for precision in ("float32", "bfloat16"):
        views = views_of(trained, part.images.device, precision=precision)
        made = propose(views, seek, part, draw=lambda number: generator(0, number))
        right = predictions(trained, part.images) == part.labels
        assert made.fools(part.labels)[right].float().mean() > 0.98
        found[precision] = L2(1).size(made.images, part.images)[right & made.fools(part.labels)]
    assert found["bfloat16"].median() == pytest.approx(float(found["float32"].median()), rel=0.02)


def test_in_l1_the_default_takes_sparse_steps() -> None:
    assert [str(attack) for attack in default_attacks(L1(12))] == ["apgd:l1:12:20", "apgd-margin:l1:12:20"]


def test_every_class_is_counted_by_itself(data: LabeledImages, watched: Watched) -> None:
    found, _ = watched
    clean, robust = zip(*found.by_class.values(), strict=True)
    assert sum(one.n for one in clean) == len(data)
    assert sum(one.count for one in clean) == found.clean.count
    assert sum(one.count for one in robust) == found.robust.count
    name = data.class_names[0]
    assert found.to_json()["metrics"][f"class.{name}.robust_accuracy"] == found.by_class[name][1].value


def test_the_images_found_are_what_it_says_of_them(
    data: LabeledImages, trained: ImageClassifier, watched: Watched
) -> None:
    audited, _ = watched
    found, fell = audited.found, audited.found.columns["fell_to"] >= 0
    with torch.no_grad():
        predicted = trained(found.images).argmax(1)
    assert torch.equal(predicted, found.columns["predicted"])
    assert torch.equal(predicted[fell] != found.labels[fell], torch.ones(int(fell.sum()), dtype=torch.bool))
    assert torch.equal(found.images[~fell], data.images[~fell])
    distances = (found.images - data.images).flatten(1).norm(dim=1)
    torch.testing.assert_close(distances, found.columns["distance"])
    assert distances[fell].min() > 0
    assert distances.max() <= 0.07 + 1e-5


def test_progress_only_rises_and_ends_at_its_total(watched: Watched) -> None:
    _, reports = watched
    assert reports == sorted(reports)
    assert len({total for _, total in reports}) == 1
    assert reports[-1][0] == reports[-1][1]


def test_the_nearest_adversarial_images_of_a_linear_model(data: LabeledImages) -> None:
    """With known margins the accuracy falls from 1 to 0 where they lie, and only there."""
    classifier, margin = TRUTH.matched_filter("nonrobust"), TRUTH.margin("nonrobust")
    audited = audit(
        classifier, data, threat=L2(0.1 * margin), nearest=nearest_attack(L2(0.1)), precision="float32"
    )
    assert audited.accuracy_at(0.97 * margin) == audited.clean
    assert audited.accuracy_at(1.05 * margin).count == 0
    assert audited.attacks[-1].startswith("fmn")
    with pytest.raises(NotbugsError, match="nearest"):
        audit(classifier, data, threat=L2(0.1)).accuracy_at(0.1)


def test_a_search_that_meets_nan_fells_nothing_and_is_told(
    data: LabeledImages, trained: ImageClassifier
) -> None:
    def rooted(images: torch.Tensor) -> torch.Tensor:
        nothing = (images - images.detach()).square().flatten(1).sum(1, keepdim=True)
        return trained(images) + nothing.sqrt()  # the root of 0 has gradient NaN

    found = audit(rooted, data.first(40), threat=L2(0.5), attacks="quick")
    assert found.robust == found.clean
    assert found.found.columns["met_nan"].sum() == found.clean.count
    assert "nan_gradients" in [flag.name for flag in found.flags]


def test_an_answer_that_is_not_a_number_is_no_class(data: LabeledImages, trained: ImageClassifier) -> None:
    bright = data.images.mean((1, 2, 3)) > data.images.mean()

    def blind(images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((1, 2, 3))[:, None]
        return torch.where(mean > data.images.mean(), torch.nan, trained(images))

    predicted = predictions(blind, data.images)
    assert torch.equal(predicted == -1, bright)

    @dataclass(frozen=True)
    class Brighten:
        threat: L2

        def __call__(self, model, images, labels, *, generator):
            return (images + 0.1).clamp(0, 1)

    found = audit(blind, data, threat=L2(10.0), attacks=[Brighten(L2(10.0))], sanity=False)
    assert found.clean.count == int(((predicted == data.labels) & ~bright).sum())
    assert found.felled[0] < found.clean.count  # what it answers NaN to has not fallen


def test_the_number_of_threads_decides_nothing(data: LabeledImages, trained: ImageClassifier) -> None:
    views = views_of(trained, data.images.device, precision="float32")
    everything = torch.ones(len(data), dtype=torch.bool)
    attacks = default_attacks(L2(0.07), steps=5)
    one, three = (
        cascade(replace(views, threads=threads), data, everything, threat=L2(0.07), attacks=attacks, seed=0)
        for threads in (1, 3)
    )
    assert torch.equal(one.fell_to, three.fell_to)
    assert torch.equal(one.images, three.images)
