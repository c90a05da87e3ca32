"""What a study is made of: models, each trained on images, and sets of images, each made of others."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final

import torch

from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError, require_kind, require_positive, unknown
from notbugs.features import Builder
from notbugs.training import TrainConfig

PROJECTION = 64
"""Outputs of an encoder's head, which only its training looks at."""

DATA, TEST = "data", "test"
"""The sets that every study has: the training and the test images of its source."""

SetByName = Callable[[str], LabeledImages]
"""A set of the study by name."""


@final
@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network trained on the images of `on`; of the study's architecture where it names no other.

    Trained without labels (`how.contrast`) it is an encoder: something to probe, not to test.
    """

    how: TrainConfig
    on: str = DATA
    arch: str = ""

    def __post_init__(self) -> None:
        require_kind("Trained.how", self.how, TrainConfig)
        for field in ("on", "arch"):
            require_kind(f"Trained.{field}", getattr(self, field), str)

    @property
    def is_encoder(self) -> bool:
        return self.how.contrast is not None


@final
@dataclass(frozen=True, kw_only=True)
class Probed:
    """A linear classifier of what the model `of` makes of the images of `on`: its features, or its logits.

    The model itself stays as it is.
    """

    of: str
    on: str
    layer: Literal["features", "logits"] = "features"
    is_encoder: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in ("of", "on"):
            require_kind(f"Probed.{field}", getattr(self, field), str)
        if self.layer not in ("features", "logits"):
            raise unknown("layer", str(self.layer), ("features", "logits"))


Model = Trained | Probed


@final
@dataclass(frozen=True, kw_only=True)
class Built:
    """A set made by `builder` with the model `by` of the images of `of`; a builder may want `others` beside it."""

    builder: Builder
    by: str
    of: str = DATA
    others: Sequence[str] = ()

    def __post_init__(self) -> None:
        require_kind("Built.builder", self.builder, Builder)
        for field in ("by", "of"):
            require_kind(f"Built.{field}", getattr(self, field), str)


class Derived(ABC):
    """A set that follows from others without a search. Subclasses are final frozen values."""

    of: str

    @abstractmethod
    def derived(self, images: SetByName, *, generator: torch.Generator) -> LabeledImages:
        """The images. Raises NotbugsError where none are left."""


@final
@dataclass(frozen=True, kw_only=True)
class First(Derived):
    """The first `count` images."""

    of: str = DATA
    count: int

    def __post_init__(self) -> None:
        require_kind("First.of", self.of, str)
        require_kind("First.count", self.count, int)
        require_positive("count", self.count)

    def derived(self, images: SetByName, *, generator: torch.Generator) -> LabeledImages:
        whole = images(self.of)
        if self.count > len(whole):
            raise NotbugsError(f"the first {self.count} images were asked for, {whole} has fewer")
        return whole.part(self.count)


@final
@dataclass(frozen=True, kw_only=True)
class Mixture(Derived):
    """Each image from `of` with probability `share`, else the one of the same row of `beside`."""

    of: str
    share: float
    beside: str = DATA

    def __post_init__(self) -> None:
        for field in ("of", "beside"):
            require_kind(f"Mixture.{field}", getattr(self, field), str)
        require_kind("Mixture.share", self.share, int, float)
        if not 0 <= self.share <= 1:
            raise NotbugsError(f"share must lie in [0, 1], got {self.share}")

    def derived(self, images: SetByName, *, generator: torch.Generator) -> LabeledImages:
        chosen, rest = images(self.of), images(self.beside)
        if len(chosen) != len(rest):
            raise NotbugsError(f"a mixture takes rows from sets of one length: {chosen} and {rest}")
        draw = torch.rand(len(chosen), generator=generator, device=generator.device)
        taken = (draw < self.share).to(chosen.labels.device)
        return replace(
            chosen,
            images=torch.where(taken[:, None, None, None], chosen.images, rest.images),
            labels=torch.where(taken, chosen.labels, rest.labels),
            columns={},
        )


@final
@dataclass(frozen=True, kw_only=True)
class Mislabelled(Derived):
    """Only the images whose label is not the original one."""

    of: str

    def __post_init__(self) -> None:
        require_kind("Mislabelled.of", self.of, str)

    def derived(self, images: SetByName, *, generator: torch.Generator) -> LabeledImages:
        whole = images(self.of)
        wrong = whole.labels != whole.columns["original_label"]
        if not bool(wrong.any()):
            raise NotbugsError(f"{whole}: no label is wrong, so nothing is left to train on")
        return whole.take(wrong)


@final
@dataclass(frozen=True, kw_only=True)
class RightlyLabelled(Derived):
    """The images of a built set under their original labels."""

    of: str

    def __post_init__(self) -> None:
        require_kind("RightlyLabelled.of", self.of, str)

    def derived(self, images: SetByName, *, generator: torch.Generator) -> LabeledImages:
        whole = images(self.of)
        return whole.relabeled(whole.columns["original_label"])


__all__ = [
    "Built", "DATA", "Derived", "First", "Mislabelled", "Mixture", "Model", "PROJECTION", "Probed",
    "RightlyLabelled", "SetByName", "TEST", "Trained",
]  # fmt: skip
