"""MultiTargeted's own promises: which classes, in which order, and for whom."""

import pytest
import torch

from notbugs.attacks.multi_targeted import MultiTargeted
from notbugs.attacks.pgd import PGD
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L2, Linf


def behind_a_wall(shown):
    """Label 0. Class 1 looks best and rises with the first value to just below the label, never above it; class 2
    starts lower and wins where the second value is high."""
    first, second = shown.flatten(1)[:, 0], shown.flatten(1)[:, 1]
    return torch.stack([torch.zeros_like(first), -0.01 - (0.8 - first), 8 * (second - 0.58)], dim=1)


def test_a_class_that_leads_nowhere_does_not_hide_the_next():
    images, labels = torch.full((1, 1, 1, 2), 0.5), torch.tensor([0])
    attack = MultiTargeted(threat=Linf(0.1), steps=10, step_size=0.02, random_start=False)
    margin = PGD(threat=Linf(0.1), steps=10, step_size=0.02, random_start=False, loss="margin")
    assert behind_a_wall(images).argsort(1, descending=True).tolist() == [[0, 1, 2]]
    for targets, wins in ((1, 0), (2, 2), (9, 2)):
        tried = MultiTargeted(threat=Linf(0.1), steps=10, step_size=0.02, targets=targets, random_start=False)
        assert behind_a_wall(tried(behind_a_wall, images, labels, generator=generator(0))).argmax() == wins
    assert behind_a_wall(margin(behind_a_wall, images, labels, generator=generator(0))).argmax() == 0
    assert attack.targets == 9


class Recorder:
    """A classifier that writes down how many images it is asked about."""

    def __init__(self, model):
        self.model, self.counts = model, []

    def __call__(self, images):
        self.counts.append(len(images))
        return self.model(images)


def test_only_those_that_stand_meet_the_next_class(curved, images):
    with torch.no_grad():
        labels = curved(images).argmax(1)
    labels[:3] = (labels[:3] + 1) % 4
    model = Recorder(curved)
    attack = MultiTargeted(threat=L2(0.1), steps=5, step_size=0.03, targets=3)
    found = attack(model, images, labels, generator=generator(0))
    assert torch.equal(found[:3], images[:3])
    assert model.counts[:2] == [10, 7]
    assert model.counts[-1] < 7
    assert model.counts == sorted(model.counts, reverse=True) or len(model.counts) <= 1 + 3 * 7


def test_of_an_image_that_stands_the_highest_margin_is_returned(curved, images):
    with torch.no_grad():
        labels = curved(images).argmax(1)

    def lead(targets):
        attack = MultiTargeted(threat=L2(0.02), steps=5, step_size=0.01, targets=targets, random_start=False)
        logits = curved(attack(curved, images, labels, generator=generator(0))).detach()
        return (
            logits.scatter(1, labels[:, None], -torch.inf).amax(1) - logits.gather(1, labels[:, None])[:, 0]
        )

    assert (lead(3) >= lead(1) - 1e-6).all()
    assert (lead(1) < 0).any()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 0}, "steps >= 1"),
        ({"targets": 0}, "targets >= 1"),
        ({"step_size": 0.0}, "step_size must be positive"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(NotbugsError, match=message):
        MultiTargeted(**{"threat": L2(0.5), "steps": 7, "step_size": 0.1, **options})


def test_its_name():
    assert str(MultiTargeted(threat=L2(0.5), steps=20, step_size=0.1)) == "multi-targeted-9:l2:0.5:20"
