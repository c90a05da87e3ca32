"""A model that is audited, with everything that it is told apart from others by."""

from dataclasses import dataclass
from typing import Any, final

from torch import nn

from notbugs.data.labeled import LabeledImages
from notbugs.models import model_digest
from notbugs.models.logits import answers_of
from notbugs.tensors import Classifier


@final
@dataclass(frozen=True, kw_only=True)
class Subject:
    """A classifier and what it is called; `source` tells apart what different code made under the same name."""

    model: Classifier
    named: str
    source: str = ""

    def known_by(self, data: LabeledImages) -> dict[str, Any]:
        """Name, weights, code, and its answers to a few images (`answers_of`), whatever else decides them."""
        return {
            "model": model_digest(self.model) if isinstance(self.model, nn.Module) else self.named,
            "named": self.named,
            "source": self.source,
            "answers": answers_of(self.model, data.images),
        }


__all__ = ["Subject"]
