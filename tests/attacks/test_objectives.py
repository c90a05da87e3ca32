"""Objectives: one value per image, high where the wish is fulfilled, with rows that can be separated."""

import pytest
import torch

from notbugs.attacks.objectives import (
    EmbeddingMatch,
    LabelObjective,
    TargetedObjective,
    cross_entropy,
    dlr,
    margin,
    targeted_dlr,
    targeted_margin,
)
from notbugs.errors import NotbugsError
from notbugs.seeds import generator

LOGITS = torch.tensor([[2.0, 1.0, -1.0], [0.0, 3.0, 1.0], [1.0, 0.5, 4.0]])
LABELS = torch.tensor([0, 1, 0])  # the last is missed
TARGETS = torch.tensor([2, 0, 1])
MANY = torch.randn(200, 7, generator=generator(0))
LABELS_OF_MANY = torch.randint(7, (200,), generator=generator(1))


def as_images(logits):
    return logits[:, :, None, None]


def read(images):
    return images.flatten(1)


def test_losses_are_the_textbook_ones():
    expected = -LOGITS.double().softmax(1).log()[torch.arange(3), LABELS]
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS).double(), expected, atol=1e-6, rtol=0)
    assert margin(LOGITS, LABELS).tolist() == [-1.0, -2.0, 3.0]


def test_the_margin_is_positive_exactly_where_the_label_is_missed():
    missed = MANY.argmax(1) != LABELS_OF_MANY
    assert torch.equal(margin(MANY, LABELS_OF_MANY) > 0, missed)
    assert torch.equal(dlr(MANY, LABELS_OF_MANY) > 0, missed)


def test_the_dlr_is_the_difference_of_two_logits_over_that_of_two_others():
    # label 0 is first, so the second is subtracted: -(2 - 1) / (2 + 1); the last label is second of 4, 1, 0.5
    assert dlr(LOGITS, LABELS).tolist() == pytest.approx([-1 / 3, -2 / 3, 3 / 3.5])
    for row, (logits, label) in enumerate(zip(MANY.tolist(), LABELS_OF_MANY.tolist(), strict=True)):
        first, second, third = sorted(logits, reverse=True)[:3]
        other = second if logits[label] == first else first
        expected = (other - logits[label]) / (first - third)
        assert dlr(MANY, LABELS_OF_MANY)[row].item() == pytest.approx(expected, rel=1e-5)


def test_the_targeted_dlr_is_in_units_that_label_and_target_cannot_make_up():
    logits = torch.tensor([[5.0, 4.0, 1.0, 0.0, -3.0]])
    for label, target, expected in ((0, 1, -1 / 4.5), (0, 4, -8 / 4.5), (1, 0, 1 / 4.5), (2, 2, 0.0)):
        found = targeted_dlr(logits, torch.tensor([label]), torch.tensor([target]))
        assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_dlr_losses_do_not_feel_the_scale_of_the_logits(scale):
    torch.testing.assert_close(
        dlr(scale * MANY + 1, LABELS_OF_MANY), dlr(MANY, LABELS_OF_MANY), rtol=1e-3, atol=1e-3
    )
    targets = (LABELS_OF_MANY + 1) % 7
    scaled = targeted_dlr(scale * MANY + 1, LABELS_OF_MANY, targets)
    torch.testing.assert_close(scaled, targeted_dlr(MANY, LABELS_OF_MANY, targets), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "logits", [torch.zeros(1, 5), torch.tensor([[1.0, 1.0, 1.0, 1.0, -9.0]])], ids=["all", "top"]
)
def test_tied_logits_have_a_finite_dlr_and_gradient(logits):
    logits = logits.requires_grad_()
    label, target = torch.tensor([0]), torch.tensor([1])
    value = dlr(logits, label) + targeted_dlr(logits, label, target)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.isfinite().all()
    assert gradient.isfinite().all()


def test_too_few_classes_for_the_dlr_are_one_line_that_names_the_margin():
    with pytest.raises(NotbugsError, match="needs 3 classes, and the model has 2: use 'margin'"):
        dlr(torch.zeros(1, 2), torch.tensor([0]))
    with pytest.raises(NotbugsError, match="needs 4 classes, and the model has 3: use 'targeted_margin'"):
        targeted_dlr(LOGITS, LABELS, TARGETS)


def test_a_label_is_missed_by_way_of_its_target_or_any_other_class():
    objective = TargetedObjective(read, LABELS, TARGETS, targeted_margin)
    values, leads = objective.values_and_leads(as_images(LOGITS))
    assert values.tolist() == [-3.0, -3.0, -0.5]
    assert (leads > 0).tolist() == [False, False, True]  # by class 2, though class 1 was the target
    _, leads = objective.values_and_leads(as_images(LOGITS * torch.nan))
    assert not (leads > 0).any()


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", [cross_entropy, margin])
def test_targeted_is_the_opposite_wish(loss, targeted):
    values, leads = LabelObjective(read, LABELS, loss, targeted).values_and_leads(as_images(LOGITS))
    sign = -1 if targeted else 1
    torch.testing.assert_close(values, sign * loss(LOGITS, LABELS))
    assert (leads > 0).tolist() == ([True, True, False] if targeted else [False, False, True])


@pytest.mark.parametrize("targeted", [False, True])
def test_nan_is_no_success(targeted):
    logits = torch.full((3, 3), torch.nan)
    _, leads = LabelObjective(read, LABELS, cross_entropy, targeted).values_and_leads(as_images(logits))
    assert not (leads > 0).any()


def test_half_precision_logits_are_judged_in_float32():
    values = LabelObjective(read, LABELS)(as_images(LOGITS.bfloat16()))
    torch.testing.assert_close(values, cross_entropy(LOGITS, LABELS))
    values = TargetedObjective(read, LABELS, TARGETS, targeted_margin)(as_images(LOGITS.bfloat16()))
    torch.testing.assert_close(values, targeted_margin(LOGITS, LABELS, TARGETS))


@pytest.mark.parametrize(
    "objective",
    [
        LabelObjective(read, LABELS),
        TargetedObjective(read, LABELS, TARGETS, targeted_margin),
        EmbeddingMatch(read, LOGITS.flip(0)),
        EmbeddingMatch(read, LOGITS.flip(0), True),
    ],
    ids=["labels", "labels and targets", "embeddings", "relative embeddings"],
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
