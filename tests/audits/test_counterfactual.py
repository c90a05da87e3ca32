"""Counterfactuals against the geometry of a linear model, where the smallest change is known."""

import pytest
import torch
from torch import nn

from notbugs import build
from notbugs.audits.counterfactual import changed_features, counterfactuals
from notbugs.errors import NotbugsError
from notbugs.seeds import generator

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
    found = counterfactuals(model, images, targets)
    logits = model(images)
    lead = (logits.amax(1) - logits.amin(1)) / (two[0] - two[1]).norm()
    assert bool(found.found.all())
    assert torch.allclose(found.sizes, lead, rtol=0.02)
    along = (found.images - images).flatten(1) @ (two[0] - two[1]) / (two[0] - two[1]).norm()
    assert torch.allclose(along.abs(), found.sizes, rtol=0.02)


def test_each_image_is_reached_from_its_budget_on(weights, images):
    def model(shown):
        return (shown - 0.5).flatten(1) @ weights.T

    targets = (model(images).argmax(1) + 1) % 3
    found = counterfactuals(model, images, targets, budgets=(0.01, 0.02, 0.05, 0.1, 1.0))
    assert bool((found.reached[1:] | ~found.reached[:-1]).all())  # never lost again
    for budget, reached in zip(found.budgets, found.reached, strict=True):
        assert bool((found.sizes[reached] <= budget + 1e-5).all())
    assert torch.equal(model(found.images).argmax(1)[found.found], targets[found.found])
    assert torch.equal(found.images[~found.found], images[~found.found])
    assert bool(found.sizes[~found.found].isinf().all())


def test_what_is_its_target_already_stays(weights, images):
    def model(shown):
        return (shown - 0.5).flatten(1) @ weights.T

    found = counterfactuals(model, images, model(images).argmax(1))
    assert torch.equal(found.images, images)
    assert bool(found.reached.all())
    assert found.sizes.max() == 0
    assert bool(found.energy_inside(torch.ones(1, SIDE, SIDE, dtype=torch.bool)).isnan().all())


def test_energy_is_where_the_weights_are(images):
    weights = torch.zeros(2, 3, SIDE, SIDE)
    weights[0, :, :2, :3] = 1.0
    weights[1, :, 3, 3] = 0.5

    def model(shown):
        return shown.flatten(1) @ weights.flatten(1).T

    targets = 1 - model(images).argmax(1)
    found = counterfactuals(model, images, targets)
    square = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    square[:, :2, :3] = True
    share = 6 / (6 + 0.25)  # of the squared difference of the weights
    assert torch.allclose(found.energy_inside(square), torch.full((8,), share), atol=0.01)


def test_features_are_weighed_by_what_they_did_for_the_target():
    model = build("convnet-8-8-8-8", classes=4, seed=0).eval()
    images = torch.rand(5, 3, 32, 32, generator=generator(2))
    targets = (model(images).argmax(1) + 1) % 4
    found = counterfactuals(model, images, targets, budgets=(30.0,))
    units, shares = changed_features(model, found, count=8)
    assert units.shape == shares.shape == (5, 8)
    assert torch.allclose(shares.sum(1), torch.ones(5), atol=1e-4)
    assert bool((shares[:, :-1] >= shares[:, 1:]).all())
    with pytest.raises(NotbugsError, match="no linear head"):
        changed_features(nn.Flatten(), found)


@pytest.mark.parametrize("budgets", [(), (0.0, 1.0), (1.0, 1.0), (2.0, 1.0)])
def test_budgets_that_do_not_rise_are_refused(budgets, weights, images):
    with pytest.raises(NotbugsError, match="rise"):
        counterfactuals(
            lambda shown: shown.flatten(1) @ weights.T, images, torch.zeros(8).long(), budgets=budgets
        )
