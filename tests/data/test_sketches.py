"""Sketches: the same for the same seed, each its own, and of the classes that are asked for."""

import pytest
import torch

from notbugs import load
from notbugs.data.scenes import CLASSES
from notbugs.data.sketches import sketches
from notbugs.errors import NotbugsError


def test_a_seed_gives_the_same_sketches_and_a_row_does_not_hang_on_the_others():
    few, many = sketches("test", count=12), sketches("test", count=24)
    assert torch.equal(few.images, many.images[:12])
    assert not torch.equal(few.images, sketches("test", count=12, seed=1).images)
    assert not torch.equal(few.images, sketches("train", count=12).images)
    assert few.labels.tolist() == [*range(10), 0, 1]


def test_no_two_sketches_of_a_class_are_alike():
    shown = sketches(count=60)
    for label in range(10):
        own = shown.images[shown.labels == label].flatten(1)
        gaps = torch.cdist(own, own) + 100 * torch.eye(len(own))
        assert gaps.min() > 2, CLASSES[label]


def test_a_source_names_its_classes():
    shown = load("sketches:cat,dog", split="test")
    assert (len(shown), shown.class_names, shown.origin.name) == (200, ("cat", "dog"), "sketches:cat,dog")
    assert torch.equal(load("sketches").images[:10], sketches(count=10).images)
    assert shown.images.min() >= 0
    assert shown.images.max() <= 1
    assert shown.images.std() > 0.1


@pytest.mark.parametrize(
    ("source", "says"),
    [("sketches:cat,cow", "cow"), ("sketches:cat", "at least two"), ("sketches:cat,cat", "each once")],
)
def test_what_cannot_be_sketched_is_refused(source, says):
    with pytest.raises(NotbugsError, match=says):
        load(source)
