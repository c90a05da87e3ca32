"""The engine: it climbs to the constrained optimum, keeps the best, and lets finished images go."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from notbugs.attacks.apgd import APGD
from notbugs.attacks.ascent import projected_ascent
from notbugs.attacks.objectives import EmbeddingMatch, LabelObjective, cross_entropy, margin
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L1, L2, Linf

THREATS = [L2(0.7), Linf(0.05)]


def best_in_ball_and_box(direction, center, threat):
    """The most that <direction, d> can be with center + d in ball and box, by bisection in float64.

    In L1 the values with the largest slopes go to their walls, one after the other, until the budget is spent.
    """
    direction, center = direction.double().flatten(), center.double().flatten()
    if isinstance(threat, L1):
        room = torch.where(direction > 0, 1 - center, center)
        order = direction.abs().argsort(descending=True)
        spent = room[order].cumsum(0).clamp_max(threat.eps)
        return float((torch.diff(spent, prepend=spent.new_zeros(1)) * direction.abs()[order]).sum())
    if isinstance(threat, Linf):
        moved = (center + threat.eps * direction.sign()).clamp(0, 1)
        return float(((moved - center) * direction).sum())
    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        fits = ((center + middle * direction).clamp(0, 1) - center).norm() <= threat.eps
        low, high = (middle, high) if fits else (low, middle)
    return float((((center + low * direction).clamp(0, 1) - center) * direction).sum())


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    eps=st.floats(0.05, 1.5),
    norm=st.sampled_from([L2, Linf]),
    corners=st.floats(0, 1),
)
def test_the_optimum_of_a_linear_objective_where_the_box_binds(seed, eps, norm, corners):
    draw, threat = generator(seed), norm(eps)
    direction = torch.randn(1, 1, 2, 4, generator=draw)
    center = torch.rand(1, 1, 2, 4, generator=draw)
    center = torch.where(torch.rand(center.shape, generator=draw) < corners, center.round(), center)
    found = projected_ascent(
        lambda images: (images * direction).flatten(1).sum(1),
        threat.random_start(center, draw),
        threat=threat,
        centers=center,
        steps=400,  # where a flat direction is left to the end, 80 end 0.2 % short
        step_size=eps / 2,
    )
    gained = float(((found - center).double() * direction).sum())
    assert gained == pytest.approx(best_in_ball_and_box(direction, center, threat), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("threat", THREATS, ids=str)
@pytest.mark.parametrize("loss", [cross_entropy, margin])
def test_more_steps_from_the_same_start_never_do_worse(threat, loss, curved, images):
    objective = LabelObjective(curved, torch.arange(10) % 4, loss)
    start = threat.random_start(images, generator(1))
    values = []
    for steps in (0, 1, 2, 3, 5, 8, 13, 21):
        found = projected_ascent(
            objective, start, threat=threat, centers=images, steps=steps, step_size=threat.eps / 2
        )
        values.append(objective(found).detach())
    for fewer, more in pairwise(values):
        assert (more >= fewer - 1e-5).all()
    assert (values[-1] > values[0] + 0.1).all()


def test_the_best_is_the_best_of_all_iterates(images):
    threat = L2(10)
    objective = EmbeddingMatch(torch.nn.Flatten(), images.flip(0).flatten(1))

    def run(steps, keep):
        return projected_ascent(
            objective, images, threat=threat, centers=images, steps=steps, step_size=1.4, keep=keep
        )

    iterates = torch.stack([objective(run(steps, "last")).detach() for steps in range(13)])
    best = objective(run(12, "best")).detach()
    torch.testing.assert_close(best, iterates.amax(0))
    assert (best > iterates[-1] + 1e-3).any()  # such long steps overshoot: keeping the best matters here


def test_no_steps_bring_the_start_into_the_threat(images):
    found = projected_ascent(
        lambda shown: shown.flatten(1).sum(1),
        images + 1,
        threat=Linf(0.1),
        centers=images,
        steps=0,
        step_size=1.0,
    )
    torch.testing.assert_close(found, (images + 0.1).clamp(0, 1))


# Finished images leave


class Recorder:
    """A classifier that writes down how many images it is asked about."""

    def __init__(self, model):
        self.model, self.counts = model, []

    def __call__(self, images):
        self.counts.append(len(images))
        return self.model(images)


@pytest.mark.parametrize("threat", THREATS, ids=str)
@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_finished_image_is_the_iterate_at_which_it_finished(threat, keep, curved, images):
    curved, images = curved.double(), images.double()
    labels = curved(images).argmax(1)
    labels[:2] = (labels[:2] + 1) % 4  # finished before they start
    objective = LabelObjective(curved, labels)

    def run(steps, **options):
        return projected_ascent(
            objective, images, threat=threat, centers=images, steps=steps, step_size=threat.eps / 5, **options
        )

    iterates = [run(steps, keep="last") for steps in range(11)]
    fooled = torch.stack([curved(shown).argmax(1) != labels for shown in iterates])
    assert fooled.any(0).sum() > 3  # some early, not all at once
    assert len(set(fooled.int().argmax(0).tolist())) > 2
    found = run(10, keep=keep, stop_when_finished=True)
    assert torch.equal(found[:2], images[:2])
    for row in range(len(images)):
        if fooled[:, row].any():
            first = int(fooled[:, row].int().argmax())
            torch.testing.assert_close(found[row], iterates[first][row], atol=1e-9, rtol=0)


class Hill:
    """A hill at 0.3 whose far side, from 0.4 on, is where a search is finished."""

    def __call__(self, images):
        return self.values_and_leads(images)[0]

    def values_and_leads(self, images):
        place = images.flatten(1)[:, 0]
        return -((place - 0.3) ** 2), place.detach() - 0.3999

    def take(self, rows):
        return self


def test_a_finished_image_is_preferred_to_a_higher_value_on_the_way():
    found = projected_ascent(
        Hill(),
        torch.zeros(1, 1, 1, 1),
        threat=Linf(1.0),
        centers=torch.zeros(1, 1, 1, 1),
        steps=5,
        step_size=0.25,  # 0, then 0.25 near the top, then 0.5: lower, and finished
        stop_when_finished=True,
    )
    assert found.item() == 0.5


def test_finished_images_cost_nothing_more(curved, images):
    labels = curved(images).argmax(1)
    labels[:4] = (labels[:4] + 1) % 4
    model = Recorder(curved)
    projected_ascent(
        LabelObjective(model, labels),
        images,
        threat=L2(3.0),
        centers=images,
        steps=30,
        step_size=0.3,
        stop_when_finished=True,
    )
    assert model.counts[:2] == [10, 6]
    assert model.counts == sorted(model.counts, reverse=True)
    assert len(model.counts) < 30  # all were fooled, and the search ended


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_stopping_early_fools_no_fewer_images(threat, curved, images):
    labels = curved(images).argmax(1)

    def fooled(**options):
        found = projected_ascent(
            LabelObjective(curved, labels),
            threat.random_start(images, generator(3)),
            threat=threat,
            centers=images,
            steps=12,
            step_size=threat.eps,  # long steps: images that were fooled come back
            **options,
        )
        return curved(found).argmax(1) != labels

    stopped = fooled(stop_when_finished=True)
    for keep in ("best", "last"):
        assert (stopped | ~fooled(keep=keep)).all()
    assert stopped.any()


def test_embeddings_that_match_closely_enough_leave(images):
    targets = images.flip(0).flatten(1)
    counts = []

    def embed(shown):
        counts.append(len(shown))
        return shown.flatten(1)

    found = projected_ascent(
        EmbeddingMatch(embed, targets, close_enough=0.05),
        images,
        threat=L2(float("inf")),
        centers=images,
        steps=200,
        step_size=0.04,
        stop_when_finished=True,
    )
    assert ((found.flatten(1) - targets).norm(dim=1) <= 0.05).all()
    assert counts[-1] < 10
    assert len(counts) < 200


# Mistakes


def test_wrong_arguments_are_refused(images):
    def total(shown):
        return shown.flatten(1).sum(1)

    threat = L2(0.5)
    with pytest.raises(NotbugsError, match="steps >= 0"):
        projected_ascent(total, images, threat=threat, centers=images, steps=-1, step_size=0.1)
    with pytest.raises(NotbugsError, match="step_size > 0"):
        projected_ascent(total, images, threat=threat, centers=images, steps=1, step_size=0.0)
    with pytest.raises(NotbugsError, match="stop_when_finished needs"):
        projected_ascent(
            total, images, threat=threat, centers=images, steps=1, step_size=0.1, stop_when_finished=True
        )


def test_it_can_be_called_where_gradients_are_switched_off(images):
    with torch.no_grad():
        found = projected_ascent(
            lambda shown: shown.flatten(1).sum(1),
            images,
            threat=Linf(0.1),
            centers=images,
            steps=4,
            step_size=0.1,
        )
        assert not torch.is_grad_enabled()
    torch.testing.assert_close(found, (images + 0.1).clamp(0, 1))


def test_a_model_whose_gradients_share_memory(images):
    """That of a mean is one number for all pixels; warnings are errors."""
    labels = torch.zeros(len(images), dtype=torch.int64)

    def brightness(shown):
        middle = shown.mean((1, 2, 3))
        return torch.stack([middle, 0.9 - middle], dim=1)

    found = APGD(threat=Linf(0.1), steps=10)(brightness, images, labels, generator=generator(0))
    assert bool(Linf(0.1).contains(found, images).all())
