"""The closed forms of linear classifiers against brute force."""

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory import (
    best_change,
    box_binds,
    dual_norm,
    flip_sizes,
    largest_value,
    linear_logits,
    robust_accuracy,
    robust_margin,
)
from notbugs.threats import L1, L2, Linf, Threat

THREATS = [L2(0.3), Linf(0.05), L1(0.5)]


@pytest.fixture
def problem():
    """Images, labels, weights and biases of three classes."""
    draw = generator(0, "linear")
    images = torch.rand(40, 1, 2, 3, generator=draw, dtype=torch.float64)
    weights = torch.randn(3, 1, 2, 3, generator=draw, dtype=torch.float64)
    biases = torch.randn(3, generator=draw, dtype=torch.float64) * 0.1
    labels = linear_logits(images, weights, biases).argmax(1)
    labels[:10] = (labels[:10] + 1) % 3  # some images are wrong before any change
    return images, labels, weights, biases


def inner(left, right):
    return (left * right).flatten(1).sum(1)


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_no_change_of_that_size_does_better(threat, problem):
    directions = problem[2]
    best = best_change(directions, threat)
    assert threat.size(best, torch.zeros_like(best)).numpy() == pytest.approx(threat.eps)
    assert inner(best, directions).numpy() == pytest.approx(
        (threat.eps * dual_norm(directions, threat)).numpy()
    )
    draw = generator(1)
    for _ in range(500):
        other = torch.randn(directions.shape, generator=draw, dtype=torch.float64)
        other = other * (threat.eps / threat.size(other, torch.zeros_like(other))).view(-1, 1, 1, 1)
        assert (inner(other, directions) <= inner(best, directions) + 1e-12).all()


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_value_and_margin_move_by_what_the_best_change_gains(threat, problem):
    images, _, weights, biases = problem
    directions = (weights[0] - weights[1]).expand_as(images)
    margins = inner(images, directions) + biases[0] - biases[1]
    raised = linear_logits(images + best_change(directions, threat), weights, biases)
    lowered = linear_logits(images - best_change(directions, threat), weights, biases)
    torch.testing.assert_close(raised[:, 0] - raised[:, 1], largest_value(margins, directions, threat))
    torch.testing.assert_close(lowered[:, 0] - lowered[:, 1], robust_margin(margins, directions, threat))


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_a_flip_size_is_where_the_class_overtakes_the_label(threat, problem):
    images, labels, weights, biases = problem
    sizes = flip_sizes(images, labels, weights, biases, threat)
    assert sizes.gather(1, labels[:, None]).isinf().all()
    for row in range(len(images)):
        for k in {0, 1, 2} - {int(labels[row])}:
            direction = (weights[k] - weights[labels[row]])[None]
            for factor in (0.99, 1.01):
                budget = type(threat)(float(sizes[row, k]) * factor)
                logits = linear_logits(
                    images[row : row + 1] + best_change(direction, budget), weights, biases
                )
                overtakes = bool(logits[0, k] > logits[0, labels[row]])
                assert overtakes == (factor > 1 or float(sizes[row, k]) == 0)


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_robust_accuracy_is_what_survives_the_best_change_to_every_class(threat, problem):
    images, labels, weights, biases = problem
    survives = torch.ones(len(images), dtype=torch.bool)
    for k in range(3):
        changes = best_change(weights[k] - weights[labels], threat)
        survives &= linear_logits(images + changes, weights, biases).argmax(1) == labels
    accuracy = robust_accuracy(images, labels, weights, biases, threat)
    assert accuracy == float(survives.double().mean())
    assert 0 < accuracy < 0.75  # neither end: the comparison could have failed
    assert robust_accuracy(images, labels, weights, biases, threat.scaled(0)) == 0.75


def test_a_class_with_the_same_weights_is_out_of_reach():
    images, weights = torch.full((1, 1, 1, 2), 0.5), torch.ones(2, 1, 1, 2)
    sizes = flip_sizes(images, torch.tensor([0]), weights, torch.tensor([1.0, 0.0]), L2(1.0))
    assert sizes.tolist() == [[torch.inf, torch.inf]]


def test_a_zero_direction_has_no_best_change():
    assert best_change(torch.zeros(1, 1, 1, 2), L2(0.5)).tolist() == [[[[0.0, 0.0]]]]


def test_the_box_binds_where_the_change_leaves_it():
    images = torch.tensor([0.1, 0.5, 0.95]).view(3, 1, 1, 1)
    assert box_binds(images, torch.full_like(images, 0.1)).tolist() == [False, False, True]
    assert box_binds(images, torch.full_like(images, -0.2)).tolist() == [True, False, False]


def test_a_threat_without_closed_form_is_refused():
    class Anywhere(Threat):
        eps = 1.0
        size = project = ascent_direction = random_start = None

    with pytest.raises(NotbugsError, match="no closed form"):
        dual_norm(torch.ones(1, 1, 1, 1), Anywhere())
    with pytest.raises(NotbugsError, match="no closed form"):
        best_change(torch.ones(1, 1, 1, 1), Anywhere())
