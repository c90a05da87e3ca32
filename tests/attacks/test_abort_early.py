"""Searches that are given up: only those that would fail, and early enough to be worth it."""

import pytest
import torch

from notbugs.attacks import APGD, FAB, APGDTargeted, Square
from notbugs.attacks.abort_early import outlook
from notbugs.attacks.auto_ascent import auto_ascent
from notbugs.attacks.halving_steps import halving_steps
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L1, L2, Linf


def looked_at(curves: torch.Tensor) -> list[int]:
    """After which step each search (a row of leads) is given up; the number of steps if none."""
    steps = curves.shape[1] - 1
    ahead, given_up = outlook(curves[:, 0], steps=steps), torch.full((len(curves),), steps)
    for step in range(steps):
        ahead, hopeless = ahead.after(step, curves[:, step])
        given_up = torch.where(hopeless & (given_up == steps), step, given_up)
    return given_up.tolist()


def test_the_pace_decides():
    time = torch.arange(101) / 100
    there, slow, short, still = time.sqrt() - 0.9, time.sqrt() / 2 - 0.6, time / 20 - 0.9, 0 * time - 0.1
    assert looked_at(torch.stack([there, slow, short, still])) == [100, 100, 10, 10]


def test_a_search_that_stands_still_for_one_doubling_goes_on():
    curve = torch.full((101,), -1.0)
    curve[10:] = -0.5
    curve[60:] = 0.1
    assert looked_at(curve[None]) == [100]
    curve[60:] = -0.5
    assert looked_at(curve[None]) == [80]


def test_what_was_never_reached_has_no_pace():
    nowhere, late = torch.full((101,), -torch.inf), torch.full((101,), -torch.inf)
    late[30:] = -0.5
    assert looked_at(torch.stack([nowhere, late])) == [
        100,
        80,
    ]  # found before the look at 40, and no nearer at 80


def test_only_a_search_that_images_may_leave_can_be_given_up():
    images = torch.full((1, 1, 1, 1), 0.5)
    with pytest.raises(NotbugsError, match="abort_early needs stop_when_finished"):
        auto_ascent(
            lambda shown: shown.flatten(1)[:, 0], images, threat=L2(0.1), centers=images, steps=5,
            pace=halving_steps(L2(0.1), images, steps=5), abort_early=True,
        )  # fmt: skip


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_short_searches_are_not_looked_at_more_often_than_every_other_step(steps):
    assert all(end >= min(4, steps) for end in looked_at(torch.full((1, steps + 1), -1.0)))


THREATS = [L2(0.3), Linf(0.02), L1(1.5)]

EARLY = {
    "apgd": lambda threat, early: APGD(threat=threat, steps=40, abort_early=early),
    "apgd-targeted": lambda threat, early: APGDTargeted(threat=threat, steps=40, abort_early=early),
    "fab": lambda threat, early: FAB(threat=threat, steps=40, abort_early=early),
    "square": lambda threat, early: Square(threat=threat, queries=400, abort_early=early),
}


class Counted:
    """How many images a model is shown."""

    def __init__(self, model) -> None:
        self.model, self.shown = model, 0

    def __call__(self, images):
        self.shown += len(images)
        return self.model(images)


PAIRS = [(name, threat) for name in EARLY for threat in THREATS if (name, threat) != ("square", THREATS[2])]


@pytest.mark.parametrize(("name", "threat"), PAIRS, ids=str)
def test_nearly_all_that_falls_to_a_whole_search_falls_to_one_that_is_given_up(name, threat, curved):
    images = torch.rand(200, 3, 6, 6, generator=generator(1))
    labels = curved(images).argmax(1)
    fell, shown = {}, {}
    for early in (False, True):
        counted = Counted(curved)
        found = EARLY[name](threat, early)(counted, images, labels, generator=generator(0))
        fell[early], shown[early] = int((curved(found).argmax(1) != labels).sum()), counted.shown
    assert 20 < fell[False] < 180  # neither all nor none
    assert fell[True] >= fell[False] - (8 if name == "square" else 2)  # luck comes in leaps
    # In L1 only the last part of a search is in the ball itself, where it may be given up.
    assert shown[True] < (0.97 if isinstance(threat, L1) else 0.7) * shown[False]


def test_a_target_that_catches_up_is_not_given_up_for_another_that_stands_still():
    """Class 1 is a hair from overtaking and never will; class 2 rises with every step."""

    def model(images):
        place = images.flatten(1)[:, 0] - 0.5
        return torch.stack([0 * place, 0 * place - 0.01, 20 * place - 3, 0 * place - 9], dim=1)

    images, labels = torch.full((3, 1, 1, 1), 0.5), torch.zeros(3, dtype=torch.int64)
    attack = APGDTargeted(threat=Linf(0.2), steps=40, targets=2, abort_early=True)
    found = attack(model, images, labels, generator=generator(0))
    assert model(found).argmax(1).tolist() == [2, 2, 2]


@pytest.mark.parametrize("name", EARLY)
def test_the_name_tells(name):
    whole, early = (str(EARLY[name](L2(0.5), early)) for early in (False, True))
    assert early.replace("-early", "") == whole != early
