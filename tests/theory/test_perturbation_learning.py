"""What a network learns from perturbations alone: the limit against networks that are trained."""

from functools import partial

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory.perturbation_learning import (
    OneHiddenLayer,
    boundary,
    fit,
    learned_accuracy,
    limit_output,
    perturbed,
)

SLOPE = 0.2


def noise(n, d, draw):
    labels = torch.tensor([1.0, -1.0]).repeat(n // 2)
    return torch.randn(n, d, generator=draw), labels


def trained(points, labels, draw):
    network = OneHiddenLayer(points.shape[1], 20, SLOPE, draw)
    assert fit(network, points, labels) < 0.02
    return network


def test_training_goes_to_the_limit():
    draw = generator(0)
    points, labels = noise(40, 4000, draw)
    fresh = torch.randn(500, 4000, generator=draw)
    found = trained(points, labels, draw)(fresh).detach()
    wanted = limit_output(points, labels, fresh, SLOPE)
    assert float(torch.corrcoef(torch.stack([found, wanted]))[0, 1]) > 0.98
    sure = wanted.abs() > wanted.abs().quantile(0.2)
    assert torch.equal(found[sure].sign(), wanted[sure].sign())


def test_the_limit_has_a_straight_boundary():
    draw = generator(1)
    points, labels = noise(30, 200, draw)
    fresh = torch.randn(2000, 200, generator=draw)
    sides = limit_output(points, labels, fresh, SLOPE).sign()
    assert torch.equal(sides, (fresh @ boundary(points, labels)).sign())


def test_perturbations_go_where_they_should():
    draw = generator(2)
    points, labels = noise(30, 500, draw)
    start, targets = noise(50, 500, draw)
    limit = partial(limit_output, points, labels, slope=SLOPE)
    moved = perturbed(limit, start, targets, eps=2.0)
    assert (moved - start).norm(dim=1).numpy() == pytest.approx(2.0, rel=1e-4)
    before, after = (targets * limit(z) for z in (start, moved))
    assert (after > before).all()


@pytest.mark.parametrize("eps", [0.5, 1.5])
@pytest.mark.parametrize("slope", [0.05, 0.5])
def test_what_is_learned_has_the_accuracy_of_the_formula(eps, slope):
    right, draw = [], generator(3)
    for _ in range(60):
        points, labels = noise(80, 2000, draw)
        start = torch.randn(80, 2000, generator=draw)
        targets = torch.randint(2, (80,), generator=draw).float() * 2 - 1
        moved = perturbed(partial(limit_output, points, labels, slope=slope), start, targets, eps=eps)
        right.append(((points @ boundary(moved, targets)).sign() == labels).double().mean())
    found = torch.stack(right)
    wanted = learned_accuracy(eps, slope, crowding=80 / 2000)
    assert abs(float(found.mean()) - wanted) < 4 * float(found.std()) / len(found) ** 0.5


def test_a_network_learns_from_perturbations_of_noise_under_random_labels():
    draw = generator(4)
    points, labels = noise(40, 2000, draw)
    start = torch.randn(40, 2000, generator=draw)
    targets = torch.randint(2, (40,), generator=draw).float() * 2 - 1
    first = trained(points, labels, draw)
    for eps, least in ((6.0, 0.99), (0.0, None)):
        moved = perturbed(first, start, targets, eps=eps)
        right = float((trained(moved, targets, draw)(points).sign() == labels).double().mean())
        assert right >= least if least else 0.25 < right < 0.75


@pytest.mark.parametrize("slope", [0.0, -0.5])
def test_a_slope_at_which_some_points_have_no_gradient_has_no_formula(slope):
    with pytest.raises(NotbugsError, match="slope must be positive"):
        learned_accuracy(1.0, slope)


def test_an_odd_width_is_refused():
    with pytest.raises(NotbugsError, match="even"):
        OneHiddenLayer(4, 3, SLOPE, generator(5))
