"""Images under the labels that a model gives them, right or wrong (Wallace 2019, "Learning from Incorrectly Labeled
Data", Distill).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from notbugs.data.labeled import LabeledImages
from notbugs.features.builder import Builder, Source


@final
@dataclass(frozen=True, kw_only=True)
class Answered(Builder):
    """Every image as it is, labelled with the model's answer. Its mistakes alone, images that nobody has changed,
    teach another model what it has learned.
    """

    kind: ClassVar[str] = "answered"  # type: ignore[misc]

    def build(self, source: Source, rows: torch.Tensor, *, generator: torch.Generator) -> LabeledImages:
        images = source.data.images[rows]
        with torch.no_grad():
            answers = source.model(images).argmax(1)
        return source.made(images, answers, rows, distance=torch.zeros(len(rows), device=rows.device))

    def measured(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        wrong = columns["labels"] != columns["original_label"]
        return {"wrong_labels": float(wrong.double().mean())}


__all__ = ["Answered"]
