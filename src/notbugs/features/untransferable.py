"""Adversarial images that fool one model and no other: bugs, not features (Nakkiran 2019, Distill: "Adversarial
Examples are Just Bugs, Too").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from notbugs.attacks import projected_ascent
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError, require_positive
from notbugs.features.builder import Builder, Source
from notbugs.features.relabeling import Targets, chosen_targets, kind_of, measured_push, pushed
from notbugs.tensors import Images, PerExample
from notbugs.threats import Threat


@final
@dataclass(frozen=True, kw_only=True)
class PushAlone(Builder):
    """D_rand or D_det, but each image is pushed so that `others` of the source go on answering as they did.

    The step climbs -CE(f(x'), t) - mean_i KL(f_i(x) || f_i(x')): towards the target on the model, and nowhere on the
    others. Nakkiran holds these to the true label instead; what they say of the image itself leaves no trace of its
    own where t is that label. With others enough, what is left is what fools this model alone.
    """

    threat: Threat
    steps: int
    step_size: float
    targets: Targets
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        require_positive("steps", self.steps)
        require_positive("step_size", self.step_size)
        object.__setattr__(self, "kind", kind_of(self.targets))

    def build(self, source: Source, rows: torch.Tensor, *, generator: torch.Generator) -> LabeledImages:
        if not source.others:
            raise NotbugsError("images that fool one model alone need other models: give some")
        data, originals = source.data, source.data.images[rows]
        targets = chosen_targets(self.targets, data.labels[rows], data.classes, generator)
        with torch.no_grad():
            said = [functional.softmax(other(originals).float(), 1) for other in source.others]

        def objective(images: Images) -> PerExample:
            towards = functional.cross_entropy(source.searched(images).float(), targets, reduction="none")
            moved = [
                _divergence(before, other(images)) for before, other in zip(said, source.others, strict=True)
            ]
            return -towards - torch.stack(moved).mean(0)

        images = projected_ascent(
            objective, originals, threat=self.threat, centers=originals, steps=self.steps,
            step_size=self.step_size, keep="last",
        )  # fmt: skip
        return pushed(images, targets, source, rows, self.threat)

    def measured(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return measured_push(columns)


def _divergence(before: Tensor, logits: Tensor) -> Tensor:
    """KL(before || softmax(logits)) of each row."""
    after = functional.log_softmax(logits.float(), 1)
    return functional.kl_div(after, before, reduction="none").sum(1)


__all__ = ["PushAlone"]
