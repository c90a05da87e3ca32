"""Objectives: images -> one value per image, always maximised. "Targeted" is a choice of objective, not a sign.

An objective that knows its rows can follow images that leave the batch (`take`) and say which are finished.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, final, runtime_checkable

import torch
from torch.nn import functional

from notbugs.tensors import Classifier, Images, Labels, Logits, Mask, PerExample

LogitLoss = Callable[[Logits, Labels], PerExample]
"""Logits and labels -> one loss per image, high where the label is missed."""


def cross_entropy(logits: Logits, labels: Labels) -> PerExample:
    """-log softmax(logits)[label]."""
    return functional.cross_entropy(logits, labels, reduction="none")


def margin(logits: Logits, labels: Labels) -> PerExample:
    """Best other logit minus the label's (Carlini & Wagner 2017, f6): positive exactly where the label is missed.

    >>> margin(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([0])).tolist()
    [-2.0]
    """
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.amax(1) - own


LOSSES: dict[str, LogitLoss] = {"cross_entropy": cross_entropy, "margin": margin}


@runtime_checkable
class RowObjective(Protocol):
    """An objective whose rows can be separated: what early exit needs."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor: ...

    def values_and_finished(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values, and which images need no further search; one forward pass for both."""
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
        return self.values_and_finished(images)[0]

    def values_and_finished(self, images: Images) -> tuple[PerExample, Mask]:
        logits = self.model(images)
        hit = logits.detach().argmax(1) == self.labels
        loss = self.loss(logits.float() if logits.dtype.itemsize < 4 else logits, self.labels)
        # NaN hits and misses nothing: argmax would take it for an answer.
        return (-loss, hit & ~loss.isnan()) if self.targeted else (loss, ~hit & ~loss.isnan())

    def take(self, rows: torch.Tensor) -> "LabelObjective":
        return replace(self, labels=self.labels[rows])


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
        return self.values_and_finished(images)[0]

    def values_and_finished(self, images: Images) -> tuple[PerExample, Mask]:
        difference = self.embed(images).float() - self.targets
        # A start that equals its target has distance 0, where a bare square root has gradient NaN.
        distance = difference.square().sum(1).clamp_min(1e-12).sqrt()
        if self.relative:
            distance = distance / self.targets.square().sum(1).clamp_min(1e-12).sqrt()
        return -distance, distance.detach() <= self.close_enough

    def take(self, rows: torch.Tensor) -> "EmbeddingMatch":
        return replace(self, targets=self.targets[rows])
