"""APGD's own promises: restarts, targets, names and refusals. What all attacks share is in test_properties.py."""

import pytest
import torch
from test_ascent import Recorder, best_in_ball_and_box
from torch.nn import functional

from notbugs import build
from notbugs.attacks import APGD, APGDTargeted, Spatial
from notbugs.errors import NotbugsError
from notbugs.models.folding import FoldedClassifier
from notbugs.seeds import generator
from notbugs.threats import L1, L2, Linf

THREATS = [L2(0.7), Linf(0.05), L1(3.0)]
every_threat = pytest.mark.parametrize("threat", THREATS, ids=str)


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
@pytest.mark.parametrize("threat", [L2(0.9), Linf(0.4), L1(1.7)], ids=str)
def test_an_image_that_stands_ends_at_the_optimum_of_ball_and_box(threat, loss):
    """A linear model too sure to be fooled: its loss can be raised, and how far is known, though the box binds."""
    draw = generator(0)
    direction = torch.randn(1, 1, 3, 4, generator=draw, dtype=torch.float64)
    images = torch.rand(8, 1, 3, 4, generator=draw, dtype=torch.float64)

    def model(shown):
        rise = ((shown - images[: len(shown)]) * direction).flatten(1).sum(1)
        return torch.stack([torch.zeros_like(rise), rise - 20], dim=1)

    attack = APGD(threat=threat, steps=200, loss=loss)
    found = attack(model, images, torch.zeros(8, dtype=torch.int64), generator=generator(1))
    for image, changed in zip(images, found, strict=True):
        share = float(((changed - image) * direction[0]).sum()) / best_in_ball_and_box(
            direction, image, threat
        )
        # In L1 how many values a step changes is a guess, and a wrong one costs a little.
        assert share == pytest.approx(1, abs=0.25 if isinstance(threat, L1) else 1e-4)
        assert share < 1 + 1e-6


@every_threat
@pytest.mark.parametrize("attack", [APGD, APGDTargeted])
def test_images_that_are_wrong_already_are_returned_as_they_are(threat, attack, curved, images):
    labels = curved(images).argmax(1)
    labels[::2] = (labels[::2] + 1) % 4
    found = attack(threat=threat, steps=5)(curved, images, labels, generator=generator(0))
    assert torch.equal(found[::2], images[::2])
    assert not torch.equal(found[1::2], images[1::2])


def narrow(images):
    """Class 1 only near one end of each image's first pixel, and a valley on the way there from the middle."""
    place = images.flatten(1)[:, 0] - 0.5
    hill = torch.where(place > 0.095, 40 * (place - 0.097), -10 * place - 1.8)
    return torch.stack([torch.zeros_like(hill), hill], dim=1)


def test_a_later_restart_never_takes_a_success_away():
    images, labels = torch.full((64, 1, 1, 1), 0.5), torch.zeros(64, dtype=torch.int64)

    def fooled(restarts):
        attack = APGD(threat=Linf(0.1), steps=3, restarts=restarts, loss="margin")
        return narrow(attack(narrow, images, labels, generator=generator(0))).argmax(1) != 0

    once, more = fooled(1), fooled(12)
    assert once.sum() < 32  # luck decides
    assert (more | ~once).all()
    assert more.sum() > once.sum()


@every_threat
def test_only_survivors_are_searched_again(threat, curved, images):
    labels = curved(images).argmax(1)
    model = Recorder(curved)
    APGD(threat=threat, steps=1, restarts=3)(model, images, labels, generator=generator(0))
    standing = model.counts[2::2]  # after one look at all: two evaluations a restart
    assert model.counts[0] == 10
    assert standing == sorted(standing, reverse=True)


# Targets


def one_way(images):
    """Class 1 is the likeliest wrong one and out of reach; class 2 can be reached."""
    mean = images.flatten(1).mean(1)
    return torch.stack([0 * mean, 0 * mean - 0.1, 10.5 * (mean - 0.5) - 1], dim=1)


def test_each_target_is_tried_in_the_order_of_likelihood():
    images, labels = torch.full((6, 1, 5, 5), 0.5), torch.zeros(6, dtype=torch.int64)

    def fooled(targets):
        attack = APGDTargeted(threat=Linf(0.1), steps=20, targets=targets)
        return one_way(attack(one_way, images, labels, generator=generator(0))).argmax(1) != 0

    assert not fooled(1).any()
    assert fooled(2).all()


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
@every_threat
def test_any_number_of_classes_has_targets(classes, threat, images):
    weights = torch.randn(classes, images[0].numel(), generator=generator(1))

    def model(shown):
        return functional.linear(shown.flatten(1), weights)

    labels = model(images).argmax(1)
    found = APGDTargeted(threat=threat.scaled(4), steps=10)(model, images, labels, generator=generator(0))
    assert (model(found).argmax(1) != labels).any()


def test_two_classes_have_no_dlr(images):
    def model(shown):
        return shown.flatten(1)[:, :2]

    labels = model(images).argmax(1)
    with pytest.raises(NotbugsError, match="use 'margin'"):
        APGD(threat=L2(0.5), loss="dlr")(model, images, labels, generator=generator(0))


# Callers


@every_threat
@pytest.mark.parametrize("attack", [APGD, APGDTargeted])
def test_it_searches_in_bfloat16_and_where_gradients_are_switched_off(threat, attack):
    model = build("convnet-8-8-8-8", classes=10, seed=0).eval()
    fast = FoldedClassifier(model, torch.bfloat16)
    images = torch.rand(6, 3, 32, 32, generator=generator(0))
    with torch.no_grad():
        labels = fast(images).argmax(1)
        found = attack(threat=threat, steps=10)(fast, images, labels, generator=generator(0))
        assert not torch.is_grad_enabled()
    assert found.dtype == torch.float32
    assert bool(threat.contains(found, images).all())
    assert (fast(found).argmax(1) != labels).any()


@pytest.mark.parametrize(
    "attack, text",
    [
        (APGD(threat=L2(0.5)), "apgd:l2:0.5:100"),
        (APGD(threat=L2(0.5), loss="dlr"), "apgd-dlr:l2:0.5:100"),
        (APGD(threat=Linf(8 / 255), loss="margin", steps=20, restarts=5), "apgd-margin:linf:8/255:20x5"),
        (APGDTargeted(threat=L2(0.5)), "apgd-targeted:l2:0.5:100"),
        (APGDTargeted(threat=L1(12.0), targets=5, restarts=2), "apgd-targeted-5:l1:12:100x2"),
    ],
    ids=str,
)
def test_its_name(attack, text):
    assert str(attack) == text


@pytest.mark.parametrize(
    "attack, options, message",
    [
        (APGD, {"steps": 0}, "APGD needs steps >= 1, got 0"),
        (APGD, {"restarts": 0}, "APGD needs restarts >= 1, got 0"),
        (APGD, {"loss": "dl"}, "unknown loss 'dl'; did you mean 'dlr'"),
        (APGD, {"threat": L2(float("inf"))}, "APGD needs a finite eps"),
        (APGDTargeted, {"targets": 0}, "APGDTargeted needs targets >= 1, got 0"),
        (APGDTargeted, {"threat": L1(float("inf"))}, "APGDTargeted needs a finite eps"),
    ],
)
def test_wrong_options_are_refused(attack, options, message):
    with pytest.raises(NotbugsError, match=message):
        attack(**{"threat": L2(0.5), **options})


def test_it_is_a_value():
    assert APGD(threat=L2(0.5)) == APGD(threat=L2(0.5))
    assert hash(APGDTargeted(threat=L2(0.5))) == hash(APGDTargeted(threat=L2(0.5)))
    assert APGD(threat=L2(0.5)) != APGD(threat=L2(0.5), loss="dlr")


@pytest.mark.parametrize("attack", [APGD, APGDTargeted])
def test_a_threat_without_directions_is_refused(attack):
    with pytest.raises(NotbugsError, match="is no norm ball"):
        attack(threat=Spatial(30, 3))
