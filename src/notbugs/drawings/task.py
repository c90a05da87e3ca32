"""What every drawing task is: a frozen value that makes a sheet of pictures from a model and some images."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from notbugs.audits.estimate import Estimate, mean_of
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.progress import Progress, silent
from notbugs.proportion import Proportion
from notbugs.seeds import generator
from notbugs.synthesis import Ascent, ClassGaussians, Drawing
from notbugs.tensors import Classifier, Images, Labels

POSSIBLE = {
    "log_probability": (-math.inf, 0.0), "ssim": (-1.0, 1.0), "reduction": (-math.inf, 1.0),
    **dict.fromkeys(("distance", "residual", "rms_error", "error_inside"), (0.0, math.inf)),
}  # fmt: skip
"""By the beginning of a measure's name."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """Pictures in a row of a sheet: column by column they are about the same image."""

    title: str
    images: Images
    note: str = ""
    captions: tuple[str, ...] = ()


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """What a task drew: rows of pictures, the way to the last of them (`path`), what was measured of each image."""

    rows: tuple[Row, ...]
    path: tuple[Images, ...] = ()
    measured: Mapping[str, Float[Tensor, " _"] | Bool[Tensor, " _"]] = field(default_factory=dict)

    @property
    def estimates(self) -> dict[str, Estimate | Proportion]:
        """The means of what was measured, and how many images had what an image has or has not."""
        return {
            name: Proportion(int(values.sum()), len(values))
            if values.dtype == torch.bool
            else mean_of(values, possible=_possible(name))
            for name, values in self.measured.items()
        }


def _possible(name: str) -> tuple[float, float]:
    """The values that a measure of this name can have."""
    return next((ends for start, ends in POSSIBLE.items() if name.startswith(start)), (-math.inf, math.inf))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Artist:
    """Who draws, and from what: a model, images, a Gaussian of each class where generation needs one, and a seed."""

    model: nn.Module
    data: LabeledImages
    seed: int
    gaussians: ClassGaussians | None = None
    frames: int = 0
    progress: Progress = silent

    def drawn(self, ascent: Ascent) -> Drawing:
        """The way gone to its end, looked at as often as this artist is to be watched."""
        return ascent.draw(frames=self.frames, progress=self.progress)

    def generator(self, purpose: str) -> torch.Generator:
        return generator(self.seed, "draw", purpose)

    @property
    def captions(self) -> tuple[str, ...]:
        """The class names of the images' labels."""
        return self.named(self.data.labels)

    def named(self, labels: Labels) -> tuple[str, ...]:
        return tuple(_name(label, self.data.class_names) for label in labels.tolist())

    def answers(self, images: Images) -> tuple[str, ...]:
        """What the model takes the images for, and how sure it is."""
        return opinions(self.model, images, self.data.class_names)

    def label_of(self, name: str) -> int:
        """Raises NotbugsError for a class that there is not."""
        if name not in self.data.class_names:
            raise NotbugsError(
                f"there is no class {name!r}; the classes are {', '.join(self.data.class_names)}"
            )
        return self.data.class_names.index(name)

    def targets(self, to: str) -> Labels:
        """The class `to` for every image; by default each image's next one."""
        if to:
            return torch.full_like(self.data.labels, self.label_of(to))
        return (self.data.labels + 1) % self.data.classes


@torch.no_grad()
def opinions(
    model: Classifier, images: Images, class_names: Sequence[str], *, most: int = 1
) -> tuple[str, ...]:
    """What a model takes each image for, the likeliest first, as in "cat 87 %, dog 9 %"."""
    with frozen(model):
        chances = model(images).softmax(1)
    top = chances.topk(min(most, chances.shape[1]))
    return tuple(
        ", ".join(
            f"{_name(label, class_names)} {100 * p:.0f} %" for p, label in zip(sure, labels, strict=True)
        )
        for sure, labels in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    )


def _name(label: int, class_names: Sequence[str]) -> str:
    return class_names[label] if label < len(class_names) else f"class {label}"


class Task(ABC):
    """Subclasses are final frozen values: what they hold is all that decides a sheet, beside the artist."""

    name: ClassVar[str]
    about: ClassVar[str]

    @abstractmethod
    def draw(self, artist: Artist) -> Sheet:
        """Raises NotbugsError where the model or the images do not fit."""


def require_columns(images: Sized, count: int, what: str) -> None:
    """Raise NotbugsError for fewer images than a task is about."""
    if len(images) < count:
        raise NotbugsError(f"{what} needs {count} images, got {len(images)}")


def require_fitting(model: Classifier, data: LabeledImages, named: str) -> nn.Module:
    """The model, if it is a Module that tells the images' classes apart. Raises NotbugsError otherwise."""
    if not isinstance(model, nn.Module):
        raise NotbugsError(f"{named} is a function; a drawing needs a torch.nn.Module")
    with frozen(model), torch.no_grad():
        classes = model(data.images[:1]).shape[1]
    if classes != data.classes:
        raise NotbugsError(
            f"{named} tells {classes} classes apart, {data.origin.name} has {data.classes}: give --data with its "
            "classes"
        )
    return model


__all__ = ["Artist", "Row", "Sheet", "Task", "opinions", "require_columns", "require_fitting"]
