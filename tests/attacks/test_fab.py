"""FAB's own promises: the smallest adversarial images, of closed-form size. What all share: test_properties.py."""

import pytest
import torch

from notbugs.attacks.balls import order_of
from notbugs.attacks.fab import FAB
from notbugs.attacks.hyperplane import shortest_change
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory import flip_sizes, linear_logits
from notbugs.threats import L2, Linf

every_threat = pytest.mark.parametrize("threat", [L2(0.05), Linf(0.009)], ids=str)


def linear(classes, low=0.4, high=0.6):
    """A linear model of many classes, images that it sees as one of them, and that class."""
    draw = generator(0, "linear")
    weights = torch.randn(classes, 3, 4, 4, generator=draw)
    images = low + (high - low) * torch.rand(60, 3, 4, 4, generator=draw)
    biases = -linear_logits(images, weights, torch.zeros(classes)).mean(0)

    def model(shown):
        return linear_logits(shown, weights, biases)

    return model, images, model(images).argmax(1), weights, biases


@every_threat
@pytest.mark.parametrize("classes", [2, 10])
def test_the_smallest_are_those_of_the_closed_form(threat, classes):
    model, images, labels, weights, biases = linear(classes)
    found = FAB(threat=threat, steps=10).smallest(model, images, labels, generator=generator(0))
    assert (model(found).argmax(1) != labels).all()
    expected = flip_sizes(images, labels, weights, biases, threat).amin(1)
    assert (expected > threat.eps).any()
    torch.testing.assert_close(threat.size(found, images), expected, rtol=2e-3, atol=1e-6)


@every_threat
def test_they_are_the_smallest_of_the_box_too(threat):
    model, images, labels, weights, biases = linear(2, low=-0.2, high=1.2)
    images = images.clamp(0, 1)
    labels = model(images).argmax(1)
    found = FAB(threat=threat, steps=20).smallest(model, images, labels, generator=generator(0))
    logits = model(images)
    gaps = (logits.gather(1, 1 - labels[:, None]) - logits.gather(1, labels[:, None]))[:, 0]
    change = shortest_change(images, weights[1 - labels] - weights[labels], gaps, order_of(threat))
    expected = threat.size(images + change, images)
    without_box = flip_sizes(images, labels, weights, biases, threat).amin(1)
    assert (expected > 1.05 * without_box).sum() > 10  # the box is felt
    torch.testing.assert_close(threat.size(found, images), expected, rtol=2e-3, atol=1e-6)


@every_threat
def test_called_it_returns_what_lies_inside_and_the_rest_as_it_was(threat):
    model, images, labels, weights, biases = linear(10)
    sizes = flip_sizes(images, labels, weights, biases, threat).amin(1)
    attack = FAB(threat=threat, steps=20)
    found = attack(model, images, labels, generator=generator(0))
    clear = (sizes / threat.eps - 1).abs() > 2e-3
    changed = (found != images).flatten(1).any(1)
    assert torch.equal(changed[clear], (sizes < threat.eps)[clear])
    assert (threat.size(found, images) <= threat.eps).all()


@every_threat
def test_what_is_found_inside_is_pushed_off_the_boundary(threat):
    """bfloat16 and float32 disagree on it; but no farther than the threat goes."""
    model, images, labels, weights, biases = linear(2)
    expected = flip_sizes(images, labels, weights, biases, threat).amin(1)
    found = FAB(threat=threat, steps=20)(model, images, labels, generator=generator(0))
    inside = expected < 0.9 * threat.eps
    assert inside.any()
    pushed = threat.size(found, images)[inside]
    torch.testing.assert_close(
        pushed, (1.05 * 1.1 * expected[inside]).clamp_max(threat.eps), rtol=0.01, atol=0
    )


def test_an_image_found_inside_leaves_at_once():
    model, images, labels, *_ = linear(2)
    seen = []

    def counting(shown):
        seen.append(len(shown))
        return model(shown)

    FAB(threat=L2(10.0), steps=50)(counting, images, labels, generator=generator(0))
    within = len(seen)
    seen.clear()
    FAB(threat=L2(10.0), steps=50).smallest(counting, images, labels, generator=generator(0))
    assert within < 6
    assert seen[:3] == [60, 60, 60]
    assert len(seen) > 100


def test_wrong_images_and_those_without_a_boundary_come_back_unchanged():
    model, images, labels, *_ = linear(10)
    wrong = (labels + 1) % 10
    attack = FAB(threat=L2(5.0), steps=5)
    for search in (attack, attack.smallest):
        assert torch.equal(search(model, images, wrong, generator=generator(0)), images)

    def constant(shown):
        return 0 * shown.flatten(1)[:, :3] + torch.tensor([1.0, 0.0, 0.0])

    zeros = torch.zeros_like(labels)
    assert torch.equal(attack.smallest(constant, images, zeros, generator=generator(0)), images)


def test_a_farther_class_may_have_the_nearer_boundary():
    """Class 1 is likelier and its boundary at 0.4; class 2 is less likely and its boundary at 0.1."""

    def model(shown):
        place = shown.flatten(1)[:, 0]
        return torch.stack([0 * place, place - 0.9, 20 * (place - 0.6)], dim=1)

    image, label = torch.full((1, 1, 1, 1), 0.5), torch.tensor([0])

    def size(targets):
        attack = FAB(threat=Linf(1.0), steps=3, targets=targets)
        return attack.smallest(model, image, label, generator=generator(0)).item() - 0.5

    assert model(image)[0, 1] > model(image)[0, 2]
    assert size(targets=9) == pytest.approx(0.1, rel=2e-3)
    assert size(targets=1) > 0.12  # it meets class 2 on its way to class 1


def test_restarts_find_what_the_way_from_the_image_does_not():
    """Class 1 lies at 0.56, but at the image its logit rises the other way, where it never wins."""

    def narrow(shown):
        place = shown.flatten(1)[:, 0] - 0.5
        hill = torch.where(place > 0.02, 40 * (place - 0.06), -place - 1.0)
        return torch.stack([torch.zeros_like(hill), hill], dim=1)

    images, labels = torch.full((64, 1, 1, 1), 0.5), torch.zeros(64, dtype=torch.int64)

    def fooled(restarts, seed):
        attack = FAB(threat=Linf(0.1), steps=5, restarts=restarts)
        return narrow(attack(narrow, images, labels, generator=generator(seed))).argmax(1) == 1

    assert not fooled(1, seed=0).any()
    assert 5 < fooled(2, seed=0).sum() < 59
    assert fooled(4, seed=0).sum() > fooled(2, seed=0).sum()
    assert not torch.equal(fooled(2, seed=0), fooled(2, seed=1))


def test_without_gradients_around_it_finds_the_same(curved, images):
    labels = curved(images).argmax(1)
    attack = FAB(threat=L2(0.7), steps=5)
    with torch.no_grad():
        quiet = attack.smallest(curved, images, labels, generator=generator(0))
    assert torch.equal(quiet, attack.smallest(curved, images, labels, generator=generator(0)))


@every_threat
def test_an_unlimited_budget_is_one_too(threat):
    model, images, labels, *_ = linear(3)
    attack = FAB(threat=threat.scaled(float("inf")), steps=5)
    found = attack(model, images, labels, generator=generator(0))
    assert (model(found).argmax(1) != labels).all()


def test_logits_in_bfloat16_are_taken(images):
    def model(shown):
        return (shown.flatten(1)[:, :4] * 4).bfloat16()

    labels = model(images).argmax(1)
    found = FAB(threat=L2(0.5), steps=5)(model, images, labels, generator=generator(0))
    assert found.dtype == torch.float32
    assert (model(found).argmax(1) != labels).any()


@pytest.mark.parametrize(
    "options, text",
    [
        ({"threat": L2(0.5)}, "fab-t9:l2:0.5:100"),
        ({"threat": Linf(8 / 255), "targets": 3, "steps": 20, "restarts": 5}, "fab-t3:linf:8/255:20x5"),
    ],
)
def test_its_name(options, text):
    assert str(FAB(**options)) == text


@pytest.mark.parametrize("option", ["steps", "targets", "restarts"])
def test_wrong_options_are_refused(option):
    with pytest.raises(NotbugsError, match=f"{option} >= 1"):
        FAB(threat=L2(0.5), **{option: 0})
