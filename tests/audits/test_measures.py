"""What a study counts: answers on shifted labels, images that are fooled, attacks of more and more steps."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from notbugs.audits import fooled_by, measure, step_counts
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.threats import L2


class Shade(nn.Module):
    """Three classes by brightness: below 1/3, up to 2/3, above."""

    def forward(self, images):
        light = images.flatten(1).mean(1, keepdim=True)
        return -(light - torch.tensor([[1 / 6, 1 / 2, 5 / 6]])).abs()


def shades(values, labels):
    images = torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()
    return LabeledImages(images=images, labels=torch.tensor(labels), class_names=("a", "b", "c"))


def test_fooled_are_those_that_were_right_and_now_get_the_new_label():
    originals = shades([0.1, 0.1, 0.5, 0.5, 0.9], [0, 0, 1, 2, 2])  # the fourth is wrong before
    changed = shades([0.5, 0.9, 0.9, 0.9, 0.9], [1, 1, 2, 2, 2])  # the last keeps its label
    counted = fooled_by(Shade(), changed, originals)
    assert (counted.count, counted.n) == (2, 3)
    with pytest.raises(NotbugsError, match="none of the originals right"):
        fooled_by(Shade(), changed, replace(originals, labels=torch.tensor([1, 1, 0, 0, 0])))


def test_relabelled_is_the_next_class_and_preceding_the_one_before():
    data = shades([0.1, 0.5, 0.9, 0.1], [2, 0, 1, 0])  # three answers of y + 1, one right
    found = measure(Shade(), data, budgets=[L2(0.1)], attack_steps=1, tested=4, preceding=True, seed=0)
    assert (found["clean"].count, found["relabelled"].count, found["preceding"].count) == (1, 3, 0)
    back = measure(
        Shade(),
        data.relabeled((data.labels + 2) % 3),
        budgets=[],
        attack_steps=1,
        tested=4,
        preceding=True,
        seed=0,
    )
    assert back["preceding"].count == 3


def test_more_steps_fell_what_few_do_not_reach():
    data = shades([0.30, 0.20], [0, 0])
    found = step_counts(Shade(), data, threat=L2(1.0), counts=[1, 50], seed=0, precision="float32")
    # To reach 1/3 all 48 values rise: L2 lengths 0.23 and 0.92.
    assert found["steps_50"].count == 0
    assert found["steps_1"].count >= found["steps_50"].count
    assert step_counts(Shade(), data, threat=L2(1.0), counts=[50, 1], seed=0, precision="float32") == found
    near = step_counts(Shade(), data, threat=L2(0.5), counts=[50], seed=0, precision="float32")
    assert near["steps_50"].count == 1
