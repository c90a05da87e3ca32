"""Perceptual alignment against models whose gradients are known."""

import pytest
import torch

from notbugs.audits.alignment import class_means, perceptual_alignment
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.seeds import generator

MEANS = torch.stack([torch.full((3, 8, 8), 0.2), torch.full((3, 8, 8), 0.8)])


def towards(direction):
    """Logits (0, w·x): the gradient of the second class's log-probability is along w, of the first's against it."""
    return lambda images: torch.stack([torch.zeros(len(images)), (images * direction).sum((1, 2, 3))], dim=1)


@pytest.fixture
def images():
    return 0.2 + 0.001 * torch.randn(4, 3, 8, 8, generator=generator(0))


def test_a_gradient_that_leads_straight_to_the_other_class_scores_one(images):
    score = perceptual_alignment(
        towards(MEANS[1] - MEANS[0]), images, torch.ones(4).long(), MEANS, batch_size=3
    )
    assert score.min() > 0.999
    against = perceptual_alignment(towards(MEANS[0] - MEANS[1]), images, torch.ones(4).long(), MEANS)
    assert torch.allclose(against, -score, atol=1e-6)


def test_the_score_is_the_cosine(images):
    noise = torch.randn(3, 8, 8, generator=generator(1))
    score = perceptual_alignment(towards(noise), images, torch.ones(4).long(), MEANS)
    way = (MEANS[1] - images).flatten(1)
    wanted = way @ noise.flatten() / (way.norm(dim=1) * noise.norm())
    assert torch.allclose(score, wanted, atol=1e-5)
    assert score.abs().max() < 0.3


def test_means_are_those_of_each_class():
    values = torch.rand(30, 3, 4, 4, generator=generator(2))
    labels = torch.arange(30) % 3
    data = LabeledImages(images=values, labels=labels, class_names=("a", "b", "c"))
    wanted = torch.stack([values[labels == label].mean(0) for label in range(3)])
    assert torch.allclose(class_means(data), wanted, atol=1e-6)
    with pytest.raises(NotbugsError, match="class c has no images"):
        class_means(data.take(torch.tensor([0, 1, 3])))
