"""PGD's own promises: restarts, early exit, names and refusals. What all attacks share is in test_properties.py."""

import pytest
import torch

from notbugs.attacks.pgd import PGD
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L2, Linf


def narrow(images):
    """Class 1 only near one end of each image's first pixel: whether a search from a random point ends there
    depends on the point, since the objective falls on the way from the middle to that end."""
    place = images.flatten(1)[:, 0] - 0.5
    hill = torch.where(place > 0.02, 40 * (place - 0.06), -10 * place - 1.8)
    return torch.stack([torch.zeros_like(hill), hill], dim=1)


MANY = torch.full((64, 1, 1, 1), 0.5)
ZEROS = torch.zeros(64, dtype=torch.int64)


def fooled(attack, seed):
    return narrow(attack(narrow, MANY, ZEROS, generator=generator(seed))).argmax(1) != 0


@pytest.mark.parametrize("stop_when_fooled", [False, True])
@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_a_later_restart_never_takes_a_success_away(stop_when_fooled, keep, loss):
    def attack(restarts):
        return PGD(
            threat=Linf(0.1),
            steps=8,
            step_size=0.02,
            restarts=restarts,
            stop_when_fooled=stop_when_fooled,
            keep=keep,
            loss=loss,
        )

    once, more = fooled(attack(1), seed=0), fooled(attack(4), seed=0)
    assert 5 < once.sum() < 59  # luck decides
    assert (more | ~once).all()
    assert more.sum() > once.sum()


def test_a_success_is_not_traded_for_a_higher_loss():
    """Class 2 makes cross-entropy of label 0 high without winning; class 1 wins with a lower one."""

    def model(images):
        right = (images.flatten(1)[:, :1] > 0.5).float()
        won, lost = torch.tensor([[0.0, 0.1, -9.0]]), torch.tensor([[0.0, -0.01, -0.01]])
        return right * won + (1 - right) * lost + 0 * images.flatten(1)[:, :1]

    attack = PGD(threat=Linf(0.1), steps=1, step_size=0.01, restarts=6)
    images = torch.full((32, 1, 1, 1), 0.5)
    found = attack(model, images, ZEROS[:32], generator=generator(0))
    first = PGD(threat=Linf(0.1), steps=1, step_size=0.01)(model, images, ZEROS[:32], generator=generator(0))
    losses = torch.nn.functional.cross_entropy(
        model(torch.tensor([0.4, 0.6]).view(2, 1, 1, 1)), ZEROS[:2], reduction="none"
    )
    assert losses[0] > losses[1]
    succeeded = model(first).argmax(1) == 1
    assert 0 < succeeded.sum() < 32
    assert (model(found).argmax(1) == 1)[succeeded].all()


@pytest.mark.parametrize("threat", [L2(0.7), Linf(0.05)], ids=str)
def test_stopping_when_fooled_fools_no_fewer(threat, curved, images):
    labels = curved(images).argmax(1)

    def success(stop):
        attack = PGD(
            threat=threat,
            steps=10,
            step_size=threat.eps,
            stop_when_fooled=stop,
            random_start=False,
        )
        return curved(attack(curved, images, labels, generator=generator(0))).argmax(1) != labels

    assert (success(stop=True) | ~success(stop=False)).all()


def test_an_image_that_is_wrong_already_is_left_alone(curved, images):
    labels = (curved(images).argmax(1) + 1) % 4
    attack = PGD(threat=L2(0.7), steps=10, step_size=0.1, stop_when_fooled=True, random_start=False)
    assert torch.equal(attack(curved, images, labels, generator=generator(0)), images)


def test_a_plain_function_can_be_attacked():
    found = PGD(threat=L2(0.5), steps=10, step_size=0.1)(narrow, MANY, ZEROS, generator=generator(0))
    assert found.shape == MANY.shape


@pytest.mark.parametrize(
    "options, text",
    [
        ({"threat": L2(0.5)}, "pgd:l2:0.5:7"),
        ({"threat": Linf(8 / 255), "restarts": 5}, "pgd:linf:8/255:7x5"),
        ({"threat": L2(0.5), "targeted": True}, "pgd-targeted:l2:0.5:7"),
    ],
)
def test_its_name(options, text):
    assert str(PGD(steps=7, step_size=0.1, **options)) == text


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 0}, "steps >= 1"),
        ({"restarts": 0}, "restarts >= 1"),
        ({"restarts": 2, "random_start": False}, "repeat the same search"),
        ({"step_size": 0.0}, "step_size must be positive, got 0.0"),
        ({"step_size": float("nan")}, "step_size must be positive, got nan"),
        ({"loss": "margins"}, "unknown loss 'margins'; did you mean 'margin'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(NotbugsError, match=message):
        PGD(**{"threat": L2(0.5), "steps": 7, "step_size": 0.1, **options})


def test_it_is_a_value():
    first, second = (PGD(threat=L2(0.5), steps=7, step_size=0.1) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != PGD(threat=L2(0.5), steps=8, step_size=0.1)
