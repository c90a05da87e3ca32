"""A model that does not fit its images is one clear line, whatever it does wrong."""

import pytest
import torch
from torch import nn

from notbugs.audits import audit
from notbugs.data import load
from notbugs.errors import NotbugsError
from notbugs.models.logits import require_logits
from notbugs.threats import L2

IMAGES = torch.rand(3, 3, 8, 8)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), r"cannot take float32 images of shape \(3, 8, 8\): mat1"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).double(), "cannot take float32 images"),
        (nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten()), "it takes grey images"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), "the model has 3 classes, the data have 4"),
        (lambda images: images.flatten(1).argmax(1), r"gives \(2,\) to 2 images, expected logits of shape \(2, 4\)"),
        (lambda images: images.flatten(1)[:, :4] > 0, "not labels"),
        (lambda images: images, "expected logits"),
        (lambda images: "cat", "gives str"),
    ],
    ids=["channels", "float64", "grey", "classes", "labels", "bool", "images", "text"],
)  # fmt: skip
def test_what_is_no_classifier_of_these_images_is_refused(model, says):
    with pytest.raises(NotbugsError, match=says) as caught:
        require_logits(model, IMAGES, classes=4)
    assert "\n" not in str(caught.value)


def test_more_logits_than_classes_are_let_through():
    require_logits(lambda images: images.flatten(1), IMAGES, classes=4)


def test_an_audit_asks_first():
    with pytest.raises(NotbugsError, match="5 classes, the data have 10"):
        audit(nn.Sequential(nn.Flatten(), nn.Linear(3072, 5)), load("digits").first(10), threat=L2(0.5))


def test_without_a_budget_an_audit_counts_the_clean_accuracy():
    found = audit(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), load("digits").first(50), threat=L2(0.0))
    assert found.robust == found.clean


def test_a_model_that_changes_its_images_is_refused_and_they_stay():
    images = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    kept = images.clone()
    with pytest.raises(NotbugsError, match="in place"):
        require_logits(lambda shown: shown.sub_(0.3).mean((2, 3)), images, classes=3)
    assert torch.equal(images, kept)
