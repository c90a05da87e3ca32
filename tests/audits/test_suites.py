"""Which attacks make a suite, and that the fast one ends where the slow ones do."""

import pytest
import torch

from notbugs.attacks import APGD, FAB, FMN, PGD, APGDTargeted, Square
from notbugs.audits import SUITES, audit, audit_name, measure, measure_name, nearest_attack, suite_attacks
from notbugs.data import LabeledImages
from notbugs.data.planted import PlantedTruth, planted
from notbugs.errors import NotbugsError
from notbugs.models import ImageClassifier, build
from notbugs.threats import L1, L2, Linf
from notbugs.training import TrainConfig, train

TRUTH = PlantedTruth()


@pytest.fixture(scope="module")
def data() -> LabeledImages:
    return planted("test", count=80)


@pytest.fixture(scope="module")
def trained() -> ImageClassifier:
    """A network that some images of `data` leave standing at L2 0.07."""
    model = build("convnet-16-32-32-32", classes=10, seed=0)
    config = TrainConfig(epochs=8, lr=0.1, batch_size=64, precision="float32")
    return train(model, planted("train", count=1500), config, seed=0)


@pytest.mark.parametrize("threat", [L2(0.5), Linf(8 / 255)], ids=str)
def test_the_standard_suite_has_autoattacks_parts_and_budgets(threat: L2 | Linf) -> None:
    assert suite_attacks("standard", threat, classes=10) == (
        APGD(threat=threat, steps=100, restarts=1),
        APGDTargeted(threat=threat, steps=100, targets=9),
        FAB(threat=threat, steps=100, targets=9, restarts=1),
        Square(threat=threat, queries=5000, restarts=1),
    )


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("threat", [L2(0.5), Linf(8 / 255), L1(12)], ids=str)
@pytest.mark.parametrize("classes", [2, 3, 1000])
def test_every_suite_is_made_for_every_norm_and_number_of_classes(name, threat, classes) -> None:
    attacks = suite_attacks(name, threat, classes=classes)
    assert attacks
    assert all(attack.threat == threat for attack in attacks)
    assert all(attack.targets < classes for attack in attacks if isinstance(attack, APGDTargeted | FAB))
    assert len(set(map(str, attacks))) == len(attacks)


def test_an_unknown_suite_is_named_with_those_that_are_known() -> None:
    with pytest.raises(NotbugsError, match="did you mean 'fast'"):
        suite_attacks("fasd", L2(0.5), classes=10)


@pytest.mark.parametrize("threat", [L2(0.5), Linf(8 / 255), L1(12)], ids=str)
def test_the_nearest_are_sought_in_the_same_norm_without_a_limit(threat) -> None:
    found = nearest_attack(threat)
    assert isinstance(found, FMN)
    assert type(found.threat) is type(threat)
    assert found.threat.eps == torch.inf


def test_the_fast_suite_leaves_no_more_standing_than_a_long_search(
    data: LabeledImages, trained: ImageClassifier
) -> None:
    threat = L2(0.07)
    fast = audit(
        trained, data, threat=threat, attacks=suite_attacks("fast", threat, classes=10), sanity=False
    )
    long = [PGD(threat=threat, steps=200, step_size=0.01, restarts=3, loss="margin", stop_when_fooled=True)]
    slow = audit(trained, data, threat=threat, attacks=long, sanity=False, precision="float32")
    assert 5 < slow.robust.count < slow.clean.count - 5
    assert fast.robust.count <= slow.robust.count


@pytest.mark.parametrize("share, stands", [(0.98, True), (1.05, False)])
def test_the_fast_suite_decides_a_linear_model_as_its_margin_does(data, share, stands) -> None:
    classifier, threat = TRUTH.matched_filter("nonrobust"), L2(share * TRUTH.margin("nonrobust"))
    found = audit(
        classifier, data, threat=threat, attacks=suite_attacks("fast", threat, classes=10), sanity=False
    )
    assert found.robust.count == (found.clean.count if stands else 0)


def test_a_suite_counts_beside_the_plain_protocol_and_never_above_it(
    data: LabeledImages, trained: ImageClassifier
) -> None:
    budgets = (L2(0.04), L2(0.07))
    asked = {"budgets": budgets, "attack_steps": 2, "tested": 60, "seed": 0}
    plain, audited = measure(trained, data, **asked), measure(trained, data, **asked, suite="fast")
    assert {name: audited[name] for name in plain} == plain
    assert set(audited) - set(plain) == {audit_name(threat) for threat in budgets}
    for threat in budgets:
        assert audited[audit_name(threat)].n == 60
        assert audited[audit_name(threat)].count <= plain[measure_name(threat)].count
    assert audited[audit_name(budgets[1])].count < plain[measure_name(budgets[1])].count  # two steps are few
