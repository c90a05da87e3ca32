"""Counterfactuals where the smallest change is known: linear models, and planted tags."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from notbugs import TrainConfig, build, train
from notbugs.attacks import PGD
from notbugs.audits import predictions
from notbugs.audits.counterfactual import changed_features, counterfactuals
from notbugs.audits.estimate import mean_of
from notbugs.data.planted import PlantedTruth, planted
from notbugs.data.tagged import tag_region
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L2

SIDE = 6


@pytest.fixture
def weights():
    return torch.randn(3, 3 * SIDE * SIDE, generator=generator(0))


@pytest.fixture
def images():
    return 0.5 + 0.05 * torch.randn(8, 3, SIDE, SIDE, generator=generator(1))


def test_the_change_is_the_nearest_where_two_classes_meet(weights, images):
    """Of two classes: along the difference of their weights, as long as the lead over its length."""
    two = weights[:2]

    def model(shown):
        return (shown - 0.5).flatten(1) @ two.T

    targets = 1 - model(images).argmax(1)
    found = counterfactuals(model, images, targets, eps=20)
    logits = model(images)
    lead = (logits.amax(1) - logits.amin(1)) / (two[0] - two[1]).norm()
    assert bool(found.found.all())
    assert torch.allclose(found.sizes, lead, rtol=0.02)
    along = (found.images - images).flatten(1) @ (two[0] - two[1]) / (two[0] - two[1]).norm()
    assert torch.allclose(along.abs(), found.sizes, rtol=0.02)


def test_what_lies_beyond_the_budget_is_not_found(weights, images):
    def model(shown):
        return (shown - 0.5).flatten(1) @ weights.T

    targets = (model(images).argmax(1) + 1) % 3
    everywhere = counterfactuals(model, images, targets, eps=20)
    assert bool(everywhere.found.all())
    eps = float(everywhere.sizes.median())
    near = counterfactuals(model, images, targets, eps=eps)
    assert torch.equal(near.found, everywhere.sizes <= eps)
    assert torch.equal(model(near.images).argmax(1)[near.found], targets[near.found])
    assert torch.equal(near.images[~near.found], images[~near.found])
    assert bool(near.sizes[~near.found].isinf().all())


def test_it_says_how_far_it_is_and_can_be_left(weights, images):
    def model(shown):
        return (shown - 0.5).flatten(1) @ weights.T

    told = []

    def watch(done, total, note):
        told.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        counterfactuals(model, images, (model(images).argmax(1) + 1) % 3, eps=20, steps=9, progress=watch)
    assert told == [(1, 10), (2, 10), (3, 10), (4, 10)]


def test_what_is_its_target_already_stays(weights, images):
    def model(shown):
        return (shown - 0.5).flatten(1) @ weights.T

    found = counterfactuals(model, images, model(images).argmax(1), eps=20)
    assert torch.equal(found.images, images)
    assert bool(found.found.all())
    assert found.sizes.max() == 0
    assert bool(found.energy_inside(torch.ones(1, SIDE, SIDE, dtype=torch.bool)).isnan().all())


def test_energy_is_where_the_weights_are(images):
    weights = torch.zeros(2, 3, SIDE, SIDE)
    weights[0, :, :2, :3] = 1.0
    weights[1, :, 3, 3] = 0.5

    def model(shown):
        return shown.flatten(1) @ weights.flatten(1).T

    targets = 1 - model(images).argmax(1)
    found = counterfactuals(model, images, targets, eps=20)
    square = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    square[:, :2, :3] = True
    share = 6 / (6 + 0.25)  # of the squared difference of the weights
    assert torch.allclose(found.energy_inside(square), torch.full((8,), share), atol=0.01)


def trained_against_an_adversary(truth):
    """Within 0.5 the planted pattern (a change of 0.28 turns it) says nothing; tag (0.71) and shape (4.2) do."""
    attack = PGD(threat=L2(0.5), steps=2, step_size=0.375, random_start=False, keep="last")
    config = TrainConfig(epochs=12, lr=0.1, batch_size=64, weight_decay=5e-3, attack=attack)
    model = build("convnet-16-32-64-64", classes=truth.classes, image_size=truth.image_size, seed=0)
    return train(model, planted("train", count=1000, truth=truth), config, seed=0)


def test_changes_lie_in_the_tag_where_a_robust_model_relies_on_it():
    """Planted truth in small: nine tenths of the change at least inside the tag's corner; a fifth at most of a model
    that never saw a tag, on the same images.
    """
    truth = PlantedTruth(image_size=24, classes=3, spurious=True)
    test = planted("test", count=60, truth=truth)
    top, left, height, width = tag_region(24, 24)
    corner = torch.zeros(1, 24, 24, dtype=torch.bool)
    corner[:, top : top + height, left : left + width] = True
    inside, answers = {}, {}
    for spurious in (True, False):
        model = trained_against_an_adversary(replace(truth, spurious=spurious))
        answers[spurious] = predictions(model, test.images)
        found = counterfactuals(model, test.images, (answers[spurious] + 1) % 3, eps=20)
        assert bool(found.found.all())
        inside[spurious] = mean_of(found.energy_inside(corner))
    assert inside[True].interval[0] >= 0.9
    assert inside[False].interval[1] <= 0.2
    assert (answers[True] == test.columns["spurious_class"]).float().mean() > 0.9
    assert (answers[False] == test.columns["robust_class"]).float().mean() > 0.9


def test_features_are_weighed_by_what_they_did_for_the_target():
    model = build("convnet-8-8-8-8", classes=4, seed=0).eval()
    images = torch.rand(5, 3, 32, 32, generator=generator(2))
    targets = (model(images).argmax(1) + 1) % 4
    found = counterfactuals(model, images, targets, eps=30)
    units, shares = changed_features(model, found, count=8)
    assert units.shape == shares.shape == (5, 8)
    assert torch.allclose(shares.sum(1), torch.ones(5), atol=1e-4)
    assert bool((shares[:, :-1] >= shares[:, 1:]).all())
    with pytest.raises(NotbugsError, match="no linear head"):
        changed_features(nn.Flatten(), found)


@pytest.mark.parametrize(
    ("given", "says"), [({"eps": -1.0}, "eps must be >= 0"), ({"eps": 1.0, "steps": 0}, "steps >= 1")]
)
def test_what_makes_no_search_is_refused(given, says, weights, images):
    with pytest.raises(NotbugsError, match=says):
        counterfactuals(lambda shown: shown.flatten(1) @ weights.T, images, torch.zeros(8).long(), **given)
