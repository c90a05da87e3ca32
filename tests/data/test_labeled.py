"""Labelled images refuse what would be wrong without a word."""

import jaxtyping
import pytest
import torch

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.errors import NotbugsError


def labeled(images, labels, **columns):
    return LabeledImages(
        images=images, labels=labels, class_names=("a", "b"), origin=Origin(name="mine"), columns=columns
    )


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, float("nan"), float("inf")])
def test_pixels_outside_the_box_are_refused(value):
    images = torch.full((3, 3, 4, 4), 0.5)
    images[1, 2, 0, 0] = value
    with pytest.raises(NotbugsError, match=r"mine: image 1 has values outside \[0, 1\]"):
        labeled(images, torch.tensor([0, 1, 0]))


def test_a_label_out_of_range_is_refused():
    with pytest.raises(NotbugsError, match="row 1 has label 2, expected 0 to 1 for 2 classes"):
        labeled(torch.zeros(2, 3, 4, 4), torch.tensor([0, 2]))


def test_columns_of_another_length_are_refused():
    with pytest.raises(NotbugsError, match="2 images but 3 values of index"):
        labeled(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]), index=torch.arange(3))


def test_a_digest_is_of_the_content():
    first = labeled(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]))
    assert first.digest == labeled(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1])).digest
    assert first.digest != first.relabeled(torch.tensor([1, 1])).digest


@pytest.fixture
def without_type_checks(monkeypatch):
    """As a user runs: the shapes of annotations are checked in tests only, and would answer first."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, 3, 4, 4).double(), torch.zeros(2, 4, 4)],
    ids=["bytes", "float64", "three dimensions"],
)
def test_images_of_another_kind_are_refused(images):
    with pytest.raises(NotbugsError, match=r"expected float32 of shape \(n, channels, height, width\)"):
        labeled(images, torch.tensor([0, 1]))


@pytest.mark.usefixtures("without_type_checks")
def test_labels_of_another_kind_are_refused():
    with pytest.raises(NotbugsError, match=r"labels\.long\(\)"):
        labeled(torch.zeros(2, 3, 4, 4), torch.tensor([0.0, 1.0]))


def test_a_part_of_images_that_lie_class_by_class_has_every_class():
    images, labels = torch.zeros(30, 3, 4, 4), torch.arange(30) // 15
    number = torch.arange(30)
    by_class = labeled(images, labels, number=number)
    assert by_class.part(6).columns["number"].tolist() == [0, 5, 10, 15, 20, 25]
    assert by_class.part(30) is by_class
    mixed = by_class.take(torch.arange(30).view(2, 15).T.flatten())
    assert torch.equal(mixed.part(6).columns["number"], mixed.columns["number"][:6])


def test_a_part_of_two_sorted_halves_has_all_classes():
    """A folder taken whole: its training images, then its test images, each class by class."""
    labels = torch.cat([torch.arange(10).repeat_interleave(40), torch.arange(10).repeat_interleave(10)])
    data = LabeledImages(
        images=torch.zeros(500, 1, 2, 2), labels=labels, class_names=tuple(map(str, range(10)))
    )
    assert data.part(50).labels.unique().tolist() == list(range(10))
    shuffled = data.take(torch.randperm(500, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(shuffled.part(50).labels, shuffled.labels[:50])
