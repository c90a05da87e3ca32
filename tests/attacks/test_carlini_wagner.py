"""Carlini-Wagner reaches the nearest adversarial image where that is known, and what it refuses."""

import math

import pytest
import torch
from attacks.minimal import PROBLEMS

from notbugs.attacks.carlini_wagner import CarliniWagner
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L2, Linf

EVERYWHERE = L2(math.inf)


def run(attack, model, images, labels):
    return attack(model, images, labels, generator=generator(0))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_reaches_the_closed_form(problem):
    """To 2 %, or to a thousandth for images so near that a first step of Adam is longer than the way."""
    model, images, labels, distance = PROBLEMS[problem]()
    attack = CarliniWagner(threat=EVERYWHERE, steps=300, rounds=8, learning_rate=0.002, first_c=0.01)
    found = run(attack, model, images, labels)
    assert (model(found).argmax(1) != labels).all()
    sizes, nearest = EVERYWHERE.size(found, images), distance(EVERYWHERE)
    assert (sizes >= nearest * (1 - 1e-3) - 1e-6).all()
    assert (sizes <= nearest * 1.02 + 1e-3).all()


def test_what_lies_outside_the_threat_comes_back_unchanged():
    model, images, labels, _ = PROBLEMS["linear"]()
    options = {"steps": 50, "rounds": 4, "first_c": 0.1}
    everywhere = run(CarliniWagner(threat=EVERYWHERE, **options), model, images, labels)
    sizes = EVERYWHERE.size(everywhere, images)
    bounded = L2(float(sizes.median()))
    found = run(CarliniWagner(threat=bounded, **options), model, images, labels)
    far = sizes > bounded.eps
    assert 10 < far.sum() < 20
    assert torch.equal(found[far], images[far])
    assert torch.equal(found[~far], everywhere[~far])


def test_pixels_at_the_ends_of_the_box_can_move():
    images = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).view(2, 1, 1, 2)

    def model(shown):  # is the first value nearer to the middle than 0.4?
        near = 0.4 - (shown.flatten(1)[:, 0] - 0.5).abs()
        return torch.stack([torch.zeros_like(near), near], dim=1)

    attack = CarliniWagner(threat=EVERYWHERE, steps=300, rounds=9, learning_rate=0.1)
    found = run(attack, model, images, torch.tensor([0, 0]))
    torch.testing.assert_close(EVERYWHERE.size(found, images), torch.full((2,), 0.1), rtol=0.05, atol=0)


class TurnsToNan:
    """A model that answers until its images have moved."""

    def __init__(self, images):
        self.images = images

    def __call__(self, shown):
        moved = (shown - self.images).abs().amax() > 1e-3
        return shown.flatten(1)[:, :2] * (torch.nan if bool(moved) else 1)


def test_nan_on_the_way_is_an_error(images):
    labels = images.flatten(1)[:, :2].argmax(1)
    with pytest.raises(NotbugsError, match="NaN"):
        run(CarliniWagner(threat=EVERYWHERE, steps=20), TurnsToNan(images), images, labels)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 0}, "steps >= 1"),
        ({"rounds": 0}, "rounds >= 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"first_c": -1.0}, "first_c must be positive"),
        ({"threat": Linf(0.1)}, "minimises l2, got the threat linf:0.1; take L2 or FMN"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(NotbugsError, match=message):
        CarliniWagner(**{"threat": L2(0.5), **options})


def test_its_name():
    assert str(CarliniWagner(threat=L2(0.5), steps=100)) == "cw:l2:0.5:9x100"
