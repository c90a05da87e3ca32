"""Reasons in what an audit already knows: only facts go in, and flags come out."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from notbugs.attacks import PGD
from notbugs.audits import Outcome, cascade_outcomes, suspicions
from notbugs.audits.agreement import chance_accuracy, constant_predictions, renamed_labels
from notbugs.seeds import generator
from notbugs.threats import L2

N = 200
EVERY = torch.ones(N, dtype=torch.bool)
LABELS = torch.arange(N) % 10


def first(count):
    return torch.arange(N) < count


def outcome(attack, steps, fell, given=EVERY):
    seeing = attack.startswith(("pgd", "apgd"))
    return Outcome(attack=attack, steps=steps, uses_gradients=seeing, given=given, fell=fell)


def names(outcomes, right=EVERY):
    return [flag.name for flag in suspicions(outcomes, right=right, labels=LABELS)]


@pytest.mark.parametrize(
    "black, flags",
    [(first(50), []), (first(51), []), (first(52), ["black_box_beats_white_box"])],
    ids=["nothing new", "one image", "two images, one in a hundred"],
)
def test_a_blind_attack_that_fells_what_gradients_left(black, flags):
    outcomes = [outcome("pgd:l2:0.5:20", 20, first(50)), outcome("square:l2:0.5:500", 500, black)]
    assert names(outcomes) == names(outcomes[::-1]) == flags


def test_a_blind_attack_that_came_first_beats_nobody():
    square = outcome("square:l2:0.5:500", 500, first(50))
    pgd = outcome("pgd:l2:0.5:20", 20, first(90) & ~first(50), given=~first(50))
    assert names([square, pgd]) == []


def test_a_blind_attack_alone_beats_nobody():
    assert names([outcome("square:l2:0.5:500", 500, first(50))]) == []


@pytest.mark.parametrize("more, flags", [(1, []), (2, ["nearest_fells_more"])])
def test_a_search_for_the_nearest_that_fells_what_the_others_left(more, flags):
    everything, index = torch.ones(60, dtype=torch.bool), torch.arange(60)
    first = Outcome(
        attack="apgd-early:l2:0.5:10", steps=10, uses_gradients=True, given=everything, fell=index < 30
    )
    nearest = Outcome(
        attack="fmn:l2:inf:100", steps=100, uses_gradients=True, given=everything,
        fell=(index >= 30) & (index < 30 + more), minimal=True,
    )  # fmt: skip
    assert [flag.name for flag in suspicions([first, nearest], right=everything, labels=index % 10)] == flags


@pytest.mark.parametrize("more, flags", [(3, []), (4, ["more_steps_help"])])
def test_more_steps_of_the_same_attack(more, flags):
    short, long = outcome("pgd:l2:0.5:20", 20, first(50)), outcome("pgd:l2:0.5:200", 200, first(50 + more))
    assert names([short, long]) == names([long, short]) == flags
    assert names([short, outcome("apgd-dlr:l2:0.5:200", 200, first(50 + more))]) == []  # another attack


def test_a_cascade_says_what_was_given_to_whom():
    @dataclass(frozen=True)
    class Blind:
        threat: L2
        queries: int = 100
        uses_gradients: ClassVar[bool] = False

        def __str__(self):
            return f"square:{self.threat}:{self.queries}"

        def __call__(self, model, images, labels, *, generator):
            return images

    fell_to = torch.tensor([-2, 0, 1, -1, 1, 0])
    pgd = PGD(threat=L2(0.5), steps=20, step_size=0.1)
    seeing, blind = cascade_outcomes([pgd, Blind(L2(0.5))], fell_to)
    assert (seeing.attack, seeing.steps, seeing.uses_gradients) == ("pgd:l2:0.5:20", 20, True)
    assert (blind.attack, blind.steps, blind.uses_gradients) == ("square:l2:0.5:100", 100, False)
    assert seeing.given.tolist() == [False, True, True, True, True, True]
    assert blind.given.tolist() == [False, False, True, True, True, False]
    assert seeing.fell.tolist() == [False, True, False, False, False, True]
    found = suspicions([seeing, blind], right=fell_to > -2, labels=torch.tensor([0, 1, 2, 0, 1, 2]))
    assert [flag.name for flag in found] == ["black_box_beats_white_box"]
    assert "felled 2 images" in found[0].found


@pytest.mark.parametrize("right, flagged", [(20, True), (23, True), (40, False), (200, False)])
def test_accuracy_at_chance(right, flagged):
    assert bool(names([], right=first(right))) == flagged  # one label in ten


def test_one_label_alone_is_no_chance():
    assert chance_accuracy(EVERY, torch.zeros(N, dtype=torch.int64)) is None


def test_constant_predictions_are_told_from_constant_labels():
    constant = torch.full((N,), 3)
    assert constant_predictions(constant, LABELS).found.startswith(
        "200 of 200 images are given class 3, 20 have it"
    )
    assert constant_predictions(constant, constant) is None
    assert constant_predictions(LABELS, LABELS) is None


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_renaming_is_seen_and_chance_is_not(classes):
    labels = torch.randint(classes, (N,), generator=generator(0))
    others = torch.randint(classes, (N,), generator=generator(1))
    assert renamed_labels(labels, labels) is None
    assert renamed_labels(others, labels) is None
    assert renamed_labels((labels + 1) % classes, labels) is not None
