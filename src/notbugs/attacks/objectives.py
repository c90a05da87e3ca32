"""Objectives: images -> one value per image, always maximised. "Targeted" is a choice of objective, not a sign.

An objective that knows its rows can follow images that leave the batch (`take`) and say which are finished.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, final, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from notbugs.errors import NotbugsError
from notbugs.tensors import Classifier, Images, Labels, Logits, PerExample

LogitLoss = Callable[[Logits, Labels], PerExample]
"""Logits and labels -> one loss per image, high where the label is missed."""

TargetedLoss = Callable[[Logits, Labels, Labels], PerExample]
"""Logits, labels and targets -> one loss per image, positive where the target has overtaken the label."""


def cross_entropy(logits: Logits, labels: Labels) -> PerExample:
    """-log softmax(logits)[label]."""
    return functional.cross_entropy(logits, labels, reduction="none")


def margin(logits: Logits, labels: Labels) -> PerExample:
    """Best other logit minus the label's (Carlini & Wagner 2017, f6): positive where the label is missed.

    >>> margin(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([0])).tolist()
    [-2.0]
    """
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.amax(1) - own


def dlr(logits: Logits, labels: Labels) -> PerExample:
    """The margin in units of the gap from the first to the third logit (Croce & Hein 2020, section 4).

    Unlike cross-entropy and margin it does not change when all logits are scaled or shifted, so a model cannot hide
    its gradient by being too sure. Raises NotbugsError for fewer than three classes, where it says nothing.

    >>> logits = torch.tensor([[3.0, 1.0, 0.0]])
    >>> dlr(logits, torch.tensor([0])).item(), dlr(1000 * logits - 5, torch.tensor([0])).item()
    (-0.6666666865348816, -0.6666666865348816)
    """
    _require_classes(3, logits, "the dlr loss", "margin")
    top = logits.topk(3, dim=1).values
    return margin(logits, labels) / (top[:, 0] - top[:, 2]).clamp_min(1e-12)


def targeted_margin(logits: Logits, labels: Labels, targets: Labels) -> PerExample:
    """The target's logit minus the label's.

    >>> targeted_margin(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([0]), torch.tensor([2])).tolist()
    [-3.0]
    """
    return (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None]))[:, 0]


def targeted_dlr(logits: Logits, labels: Labels, targets: Labels) -> PerExample:
    """`targeted_margin` in units of the gap from the first logit to the mean of the third and fourth, so that
    target and label cannot make up the whole unit (Croce & Hein 2020, section 4).

    Raises NotbugsError for fewer than four classes.

    >>> logits = torch.tensor([[4.0, 3.0, 1.0, 0.0]])
    >>> targeted_dlr(logits, torch.tensor([0]), torch.tensor([2])).item()
    -0.8571428656578064
    """
    _require_classes(4, logits, "the targeted dlr loss", "targeted_margin")
    top = logits.topk(4, dim=1).values
    unit = top[:, 0] - (top[:, 2] + top[:, 3]) / 2
    return targeted_margin(logits, labels, targets) / unit.clamp_min(1e-12)


def _require_classes(fewest: int, logits: Logits, what: str, instead: str) -> None:
    if logits.shape[1] < fewest:
        raise NotbugsError(
            f"{what} needs {fewest} classes, and the model has {logits.shape[1]}: use {instead!r}"
        )


LOSSES: dict[str, LogitLoss] = {"cross_entropy": cross_entropy, "margin": margin, "dlr": dlr}


@runtime_checkable
class RowObjective(Protocol):
    """An objective whose rows can be separated: what early exit needs."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor: ...

    def values_and_leads(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values, and by how much each image is past what is sought: above 0 it is finished. One forward pass."""
        ...

    def take(self, rows: torch.Tensor) -> "RowObjective": ...


@final
@dataclass(frozen=True)
class LabelObjective:
    """Miss the labels (or, targeted, hit them) by raising (lowering) a logit loss.

    An image is finished when it is classified as wished: as anything but its label, or as its target.
    """

    model: Classifier
    labels: Labels
    loss: LogitLoss = cross_entropy
    targeted: bool = False

    def __call__(self, images: Images) -> PerExample:
        loss = self.loss(_in_full(self.model(images)), self.labels)
        return -loss if self.targeted else loss

    def values_and_leads(self, images: Images) -> tuple[PerExample, PerExample]:
        logits = _in_full(self.model(images))
        # The margin, not argmax, which would take NaN for an answer. A tie is no success.
        loss, missed_by = self.loss(logits, self.labels), margin(logits.detach(), self.labels)
        return (-loss, -missed_by) if self.targeted else (loss, missed_by)

    def take(self, rows: torch.Tensor) -> "LabelObjective":
        return replace(self, labels=self.labels[rows])


@final
@dataclass(frozen=True)
class TargetedObjective:
    """Miss the labels by way of one wrong class each: raise `targets` above `labels`, which are the true ones.

    (A `LabelObjective` with targeted=True knows no true labels: there, only reaching the target counts.)

    An image is finished when it is classified as anything but its label, whether that is its target or not; until
    then its lead is its target's, since that is where the search is going.

    >>> logits = torch.tensor([[4.0, 3.0, 1.0, 0.0]])
    >>> objective = TargetedObjective(lambda images: logits, torch.tensor([0]), torch.tensor([1]), targeted_margin)
    >>> objective.values_and_leads(torch.zeros(1, 1, 1, 1))
    (tensor([-1.]), tensor([-1.]))
    """

    model: Classifier
    labels: Labels
    targets: Labels
    loss: TargetedLoss = targeted_dlr

    def __call__(self, images: Images) -> PerExample:
        return self.loss(_in_full(self.model(images)), self.labels, self.targets)

    def values_and_leads(self, images: Images) -> tuple[PerExample, PerExample]:
        logits = _in_full(self.model(images))
        missed_by = margin(logits.detach(), self.labels)
        lead = targeted_margin(logits.detach(), self.labels, self.targets)
        return self.loss(logits, self.labels, self.targets), lead.where(~(missed_by > 0), missed_by)

    def take(self, rows: torch.Tensor) -> "TargetedObjective":
        return replace(self, labels=self.labels[rows], targets=self.targets[rows])


def others_ranked(logits: Logits, labels: Labels) -> Int[Tensor, "batch others"]:
    """All classes but the label, the likeliest first.

    >>> others_ranked(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0])).tolist()
    [[2, 1]]
    """
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.argsort(dim=1, descending=True, stable=True)[:, :-1]


def _in_full(logits: Logits) -> Logits:
    """Half precision is enough to search with, not to compare values with."""
    return logits.float() if logits.dtype.itemsize < 4 else logits


def embedding_of(model: Classifier) -> Callable[[Tensor], Tensor]:
    """The model's `embed`: images -> features. Raises NotbugsError if it has none."""
    if not hasattr(model, "embed"):
        raise NotbugsError(
            f"{type(model).__name__} has no embed(); give it one: wrap(model, image_shape=...)"
        )
    embed: Callable[[Tensor], Tensor] = model.embed
    return embed


@final
@dataclass(frozen=True)
class EmbeddingMatch:
    """Minus the Euclidean distance of the embeddings to `targets` (Ilyas et al. 2019, C.4); relative: divided
    by the target's length. `close_enough` ends the search for an image at that distance.
    """

    embed: Callable[[torch.Tensor], torch.Tensor]
    targets: torch.Tensor
    relative: bool = False
    close_enough: float = 0.0

    def __call__(self, images: Images) -> PerExample:
        return self.values_and_leads(images)[0]

    def values_and_leads(self, images: Images) -> tuple[PerExample, PerExample]:
        difference = self.embed(images).float() - self.targets
        # A start that equals its target has distance 0, where a bare square root has gradient NaN.
        distance = difference.square().sum(1).clamp_min(1e-12).sqrt()
        if self.relative:
            distance = distance / self.targets.square().sum(1).clamp_min(1e-12).sqrt()
        return -distance, self.close_enough - distance.detach()

    def take(self, rows: torch.Tensor) -> "EmbeddingMatch":
        return replace(self, targets=self.targets[rows])
