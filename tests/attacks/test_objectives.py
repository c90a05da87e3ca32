"""Objectives: one value per image, high where the wish is fulfilled, with rows that can be separated."""

import pytest
import torch

from notbugs.attacks.objectives import EmbeddingMatch, LabelObjective, cross_entropy, margin
from notbugs.seeds import generator

LOGITS = torch.tensor([[2.0, 1.0, -1.0], [0.0, 3.0, 1.0], [1.0, 0.5, 4.0]])
LABELS = torch.tensor([0, 1, 0])  # the last is missed


def as_images(logits):
    return logits[:, :, None, None]


def read(images):
    return images.flatten(1)


def test_losses_are_the_textbook_ones():
    expected = -LOGITS.double().softmax(1).log()[torch.arange(3), LABELS]
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS).double(), expected, atol=1e-6, rtol=0)
    assert margin(LOGITS, LABELS).tolist() == [-1.0, -2.0, 3.0]


def test_the_margin_is_positive_exactly_where_the_label_is_missed():
    logits = torch.randn(200, 7, generator=generator(0))
    labels = torch.randint(7, (200,), generator=generator(1))
    assert torch.equal(margin(logits, labels) > 0, logits.argmax(1) != labels)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", [cross_entropy, margin])
def test_targeted_is_the_opposite_wish(loss, targeted):
    values, finished = LabelObjective(read, LABELS, loss, targeted).values_and_finished(as_images(LOGITS))
    sign = -1 if targeted else 1
    torch.testing.assert_close(values, sign * loss(LOGITS, LABELS))
    assert finished.tolist() == ([True, True, False] if targeted else [False, False, True])


@pytest.mark.parametrize("targeted", [False, True])
def test_nan_is_no_success(targeted):
    logits = torch.full((3, 3), torch.nan)
    _, finished = LabelObjective(read, LABELS, cross_entropy, targeted).values_and_finished(as_images(logits))
    assert not finished.any()


def test_half_precision_logits_are_judged_in_float32():
    values = LabelObjective(read, LABELS)(as_images(LOGITS.bfloat16()))
    torch.testing.assert_close(values, cross_entropy(LOGITS, LABELS))


@pytest.mark.parametrize(
    "objective",
    [
        LabelObjective(read, LABELS),
        EmbeddingMatch(read, LOGITS.flip(0)),
        EmbeddingMatch(read, LOGITS.flip(0), True),
    ],
    ids=["labels", "embeddings", "relative embeddings"],
)
def test_taken_rows_keep_their_values(objective):
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(
        objective.take(rows)(as_images(LOGITS[rows])), objective(as_images(LOGITS))[rows]
    )


def test_embedding_distance_is_euclidean_and_relative_to_the_target():
    targets = torch.tensor([[0.0, 3.0, 4.0]])
    images = as_images(torch.tensor([[0.0, 0.0, 0.0]]))
    assert EmbeddingMatch(read, targets)(images).item() == pytest.approx(-5)
    assert EmbeddingMatch(read, targets, relative=True)(images).item() == pytest.approx(-1)


def test_a_start_that_equals_its_target_has_a_finite_gradient():
    images = as_images(LOGITS).requires_grad_()
    EmbeddingMatch(read, LOGITS)(images).sum().backward()
    assert images.grad.isfinite().all()
