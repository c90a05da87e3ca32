"""Auto-PGD's loop and its two paces, against the paper's algorithm written out for one image and closed forms."""

import math

import pytest
import torch
from test_ascent import Recorder, best_in_ball_and_box

from notbugs.attacks.auto_ascent import auto_ascent
from notbugs.attacks.halving_steps import checkpoints, halving_steps
from notbugs.attacks.objectives import LabelObjective, margin
from notbugs.attacks.sparse_steps import sparse_steps
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L1, L2, Linf

THREATS = [L2(0.7), Linf(0.05), L1(3.0)]
every_threat = pytest.mark.parametrize("threat", THREATS, ids=str)


def pace_of(threat, start, centers, steps):
    if isinstance(threat, L1):
        return sparse_steps(threat, start, centers, steps=steps)
    return halving_steps(threat, centers, steps=steps)


def climb(objective, start, centers, threat, steps, **options):
    pace = pace_of(threat, start, centers, steps)
    return auto_ascent(objective, start, threat=threat, centers=centers, steps=steps, pace=pace, **options)


# The algorithm


def algorithm_1(value_and_slope, start, center, threat, steps):
    """Croce & Hein 2020, algorithm 1, for one image; all points, values and step sizes are kept and looked up."""

    def project(point):
        return threat.project(point, center)

    points, (value, slope) = [start], value_and_slope(start)
    values, slopes, eta, before = [value], [slope], 2 * threat.eps, start
    tops, sizes = [value], [eta]  # f_max and eta at each checkpoint
    periods = sorted(checkpoints(steps))
    marks = [0, *periods]
    best = 0
    for k in range(steps):
        x, g = points[-1], slopes[-1]
        z = project(x + eta * threat.ascent_direction(g))
        new = z if k == 0 else project(x + 0.75 * (z - x) + 0.25 * (x - before))
        before = x
        value, slope = value_and_slope(new)
        points, values, slopes = [*points, new], [*values, value], [*slopes, slope]
        best = max(range(len(values)), key=values.__getitem__)
        if k + 1 in periods:
            j = marks.index(k + 1)
            rises = sum(values[i + 1] > values[i] for i in range(marks[j - 1], marks[j]))
            too_few = rises < 0.75 * (marks[j] - marks[j - 1])
            stuck = j > 1 and sizes[j - 1] == sizes[j - 2] and values[best] == tops[j - 1]
            sizes, tops = [*sizes, eta], [*tops, values[best]]
            if too_few or stuck:
                eta /= 2
                points[-1], values[-1], slopes[-1] = points[best], values[best], slopes[best]
    return points[best], values[best], eta


@pytest.mark.parametrize("threat", [L2(0.7), Linf(0.05), Linf(0.3)], ids=str)
@pytest.mark.parametrize("steps", [1, 7, 40])
def test_it_is_the_algorithm_of_the_paper(threat, steps, curved, images):
    curved, images = curved.double(), images.double()
    labels = curved(images).argmax(1)
    start = threat.random_start(images, generator(2))
    found = climb(LabelObjective(curved, labels, margin), start, images, threat, steps)
    for row in range(len(images)):

        def value_and_slope(point, label=labels[row : row + 1]):
            point = point.clone().requires_grad_()
            value = margin(curved(point), label).sum()
            return float(value.detach()), torch.autograd.grad(value, point)[0]

        alone = slice(row, row + 1)
        point, value, _ = algorithm_1(value_and_slope, start[alone], images[alone], threat, steps)
        assert found.values[row].item() == pytest.approx(value, abs=1e-6)
        # The L2 projection ends its rounds at 1e-6, for the whole batch at once.
        torch.testing.assert_close(found.images[row], point[0], atol=1e-6, rtol=0)


def test_checkpoints_are_those_of_the_paper():
    for steps in (10, 37, 100, 1000):
        p = [0.0, 0.22]
        while p[-1] <= 1:
            p.append(round(p[-1] + max(p[-1] - p[-2] - 0.03, 0.06), 10))
        assert checkpoints(steps) == {math.ceil(round(part * steps, 9)) for part in p[1:-1]}


@pytest.mark.parametrize(
    "rises, best, before, halved_before, halves",
    [
        (14, 1.0, 0.0, True, True),  # fewer than three quarters of 20 rose
        (15, 1.0, 0.0, False, False),
        (15, 1.0, 1.0, False, True),  # nothing better was found, with the same step as before
        (15, 1.0, 1.0, True, False),  # the step is new: it gets its chance
    ],
)
def test_a_step_is_halved_where_it_does_not_pay(rises, best, before, halved_before, halves):
    images, one = torch.zeros(1, 1, 1, 1), torch.ones(1)
    pace = halving_steps(L2(0.5), images, steps=100)
    pace, _ = pace.adapted(20 * one, 20, before * one, images, images)
    if halved_before:
        pace, _ = pace.adapted(0 * one, 20, before * one, images, images)
    size = pace.step_sizes.item()
    pace, back = pace.adapted(rises * one, 20, best * one, images, images)
    assert back.item() == halves
    assert pace.step_sizes.item() == (size / 2 if halves else size)


# Sparse steps


def test_a_sparse_step_changes_two_thirds_as_many_values_as_are_changed_and_all_alike():
    threat, centers = L1(0.6), torch.full((2, 1, 1, 8), 0.5)
    start = centers.clone()
    start[0, ..., :6] += 0.01
    gradients = torch.tensor([[8.0, -7, 6, 5, -4, 3, 2, 1], [1.0, 0, 0, 0, 0, 0, 0, 0]]).view(2, 1, 1, 8)
    pace = sparse_steps(threat, start, centers, steps=10)
    moved = pace.moved(centers, None, gradients, centers) - centers
    torch.testing.assert_close(moved[0].flatten()[:4], torch.tensor([0.15, -0.15, 0.15, 0.15]))
    assert moved[0].flatten()[4:].abs().max() == 0
    # Nothing was changed: a single value, the one with a slope, as far as the box lets it.
    assert moved[1].flatten().tolist() == [0.5, 0, 0, 0, 0, 0, 0, 0]


def test_sparser_images_start_again_with_the_longest_step_and_others_shorten_it():
    threat, centers = L1(1.5), torch.full((2, 1, 1, 8), 0.5)
    start = centers + 0.1
    pace, one = sparse_steps(threat, start, centers, steps=10), torch.ones(2)
    found = start.clone()
    found[0, ..., 4:] = 0.5
    pace, back = pace.adapted(one, 1, one, found, centers)
    assert pace.changed.tolist() == [4.0, 8.0]
    assert back.tolist() == [True, False]
    assert pace.step_sizes.tolist() == pytest.approx([1.5, 1.0])
    for _ in range(20):
        pace, back = pace.adapted(one, 1, one, found, centers)
    assert pace.step_sizes.tolist() == pytest.approx([0.15, 0.15])  # a tenth of the budget at least
    assert not back.any()


# What both do


class Linear:
    """<direction, images>, with a direction of its own for every image; nothing is ever finished."""

    def __init__(self, directions):
        self.directions = directions

    def __call__(self, images):
        return (images * self.directions).flatten(1).sum(1)


@pytest.mark.parametrize("eps", [0.05, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("norm", [L2, Linf, L1])
def test_the_optimum_of_a_linear_objective_where_the_box_binds(norm, eps):
    draw, threat = generator(0), norm(eps)
    directions = torch.randn(64, 1, 2, 4, generator=draw, dtype=torch.float64)
    centers = torch.rand(64, 1, 2, 4, generator=draw, dtype=torch.float64)
    centers[::2] = centers[::2].round()  # where half of all values can only go one way
    found = climb(Linear(directions), threat.random_start(centers, draw), centers, threat, steps=50)
    gained = Linear(directions)(found.images - centers)
    pairs = zip(directions, centers, strict=True)
    best = torch.tensor([best_in_ball_and_box(*pair, threat) for pair in pairs], dtype=torch.float64)
    if norm is L1:  # how many values a step changes is a guess, and a wrong one costs a little
        assert (gained / best).mean() > 0.85
        assert (gained / best).max() < 1 + 1e-6
    else:
        torch.testing.assert_close(gained, best, rtol=2e-3, atol=0)


@every_threat
def test_the_best_of_all_points_is_returned_with_its_value(threat, curved, images):
    curved, images = curved.double(), images.double()
    objective = LabelObjective(curved, torch.arange(10) % 4)
    seen = []

    def watched(shown):
        seen.append(objective(shown))
        return seen[-1]

    found = climb(watched, threat.random_start(images, generator(1)), images, threat, steps=20)
    assert len(seen) == 21
    torch.testing.assert_close(found.values, torch.stack(seen).detach().amax(0))
    torch.testing.assert_close(objective(found.images).detach(), found.values)
    assert not found.finished.any()
    assert bool(threat.contains(found.images, images).all())


@every_threat
@pytest.mark.parametrize("stop", [False, True])
def test_an_image_alone_is_treated_as_in_a_batch(threat, stop, curved, images):
    curved, images = curved.double(), images.double()
    labels = curved(images).argmax(1)
    labels[:2] = (labels[:2] + 1) % 4  # finished before they start
    start = threat.random_start(images, generator(1))

    def search(rows):
        objective = LabelObjective(curved, labels[rows])
        return climb(objective, start[rows], images[rows], threat, 20, stop_when_finished=stop)

    together = search(slice(None))
    for row in range(len(images)):
        alone = search(slice(row, row + 1))
        torch.testing.assert_close(alone.images[0], together.images[row], atol=1e-7, rtol=0)
        assert alone.finished[0] == together.finished[row]


@every_threat
def test_finished_images_leave_at_once_and_are_finished(threat, curved, images):
    labels = curved(images).argmax(1)
    labels[:4] = (labels[:4] + 1) % 4
    model = Recorder(curved)
    threat = threat.scaled(3)
    found = climb(LabelObjective(model, labels), images, images, threat, 30, stop_when_finished=True)
    assert model.counts[:2] == [10, 6]
    assert model.counts == sorted(model.counts, reverse=True)
    assert torch.equal(found.finished, curved(found.images).argmax(1) != labels)
    assert found.finished.sum() > 4
    assert torch.equal(found.images[:4], images[:4])


@every_threat
def test_nan_on_the_way_is_an_error_though_the_search_goes_back_to_where_there_was_none(threat, images):
    def cliff(shown):
        moved = (shown - images).flatten(1).abs().sum(1)
        return torch.where(moved > 0.01, torch.nan, moved.clamp_min(1e-3)) + 0 * shown.flatten(1).sum(1)

    def slope(shown):
        return shown.flatten(1).sum(1) + 0 * cliff(shown)

    with pytest.raises(NotbugsError, match="NaN"):
        climb(slope, images, images, threat, 30)
