"""Accuracy under shifts that do not look at the model: corruptions, filters, noise, features taken away.

One engine for all of them: which image is right under which shift. Averages and the worst case are read off that.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from notbugs.audits.proportion import Proportion
from notbugs.audits.views import Views, predictions, quick_predictions, views_of
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.models.logits import require_logits
from notbugs.progress import Progress, silent
from notbugs.shifts import Shift
from notbugs.tensors import Classifier, Images, Mask


@final
@dataclass(frozen=True)
class Mean:
    """The mean over images of a share of trials each, with its normal 95 % interval: trials of an image go together.

    >>> print(Mean.of(torch.tensor([[True, True, False], [True, False, False]])))
    0.500 [0.000, 1.000] (n=3)
    """

    value: float
    interval: tuple[float, float]
    n: int

    @classmethod
    def of(cls, right: Bool[Tensor, "trials images"]) -> "Mean":
        return cls.over(right.double().mean(0))

    @classmethod
    def over(cls, shares: Float[Tensor, " images"]) -> "Mean":
        """The mean of shares that are independent of each other, as those of different images are."""
        middle, n = float(shares.mean()), len(shares)
        spread = float(shares.std()) if n > 1 else 0.0
        if spread == 0:  # all alike: the interval of a proportion at its end is honest there
            low, high = Proportion(round(middle * n), n).interval
            return cls(middle, (min(low, middle), max(high, middle)), n)
        half = 1.959963984540054 * spread / math.sqrt(n)
        return cls(middle, (max(0.0, middle - half), min(1.0, middle + half)), n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}] (n={self.n})"


@final
@dataclass(frozen=True, kw_only=True)
class ShiftAudit:
    """Which images a model gets right under which shifts: `right[shift, seed, image]`, and `clean[image]` under none.

    Every shift was tried with the same `seeds`.
    """

    shifts: tuple[str, ...]
    seeds: tuple[int, ...]
    clean: Bool[Tensor, " images"]
    right: Bool[Tensor, "shifts seeds images"]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.shifts)}

    def _trials(self, shifts: Shift | str | Iterable[Shift | str]) -> Bool[Tensor, "trials images"]:
        names = [str(shifts)] if isinstance(shifts, Shift | str) else list(map(str, shifts))
        unknown = [name for name in names if name not in self._places]
        if unknown or not names:
            raise NotbugsError(f"no accuracy under {unknown or 'no shift'}; tried: {', '.join(self.shifts)}")
        return self.right[[self._places[name] for name in names]].flatten(0, 1)

    @property
    def clean_accuracy(self) -> Proportion:
        return _proportion(self.clean)

    def accuracy(self, shifts: Shift | str | Iterable[Shift | str]) -> Mean:
        """The mean over shifts and seeds. Raises NotbugsError for a shift that was not tried."""
        return Mean.of(self._trials(shifts))

    def worst(self, shifts: Shift | str | Iterable[Shift | str]) -> Proportion:
        """Right under every one of the shifts and seeds: the shift as an adversary who may choose sees it."""
        return _proportion(self._trials(shifts).all(0))


@final
@dataclass(frozen=True)
class Difference:
    """How much more of the images a second model gets right than a first, with its normal 95 % interval.

    Both saw the same images: what they have in common falls out of the interval.
    """

    value: float
    interval: tuple[float, float]
    n: int


def difference(
    first: ShiftAudit, second: ShiftAudit, shifts: Shift | str | Iterable[Shift | str]
) -> Difference:
    """Accuracy of `second` less that of `first`, on average over the shifts and seeds, paired by image.

    Raises NotbugsError for a shift that was not tried, or where the two saw different images.
    """
    if len(first.clean) != len(second.clean):
        raise NotbugsError(
            f"the audits saw {len(first.clean)} and {len(second.clean)} images: they must be the same"
        )
    names = [shifts] if isinstance(shifts, Shift | str) else list(shifts)
    gains = second._trials(names).double().mean(0) - first._trials(names).double().mean(0)
    middle, n = float(gains.mean()), len(gains)
    half = 1.959963984540054 * float(gains.std()) / math.sqrt(n) if n > 1 else 1.0
    return Difference(middle, (middle - half, middle + half), n)


def shifted(
    model: Classifier,
    data: LabeledImages,
    *,
    shifts: Sequence[Shift],
    seeds: Sequence[int] = (0,),
    precision: str = "auto",
    progress: Progress = silent,
) -> ShiftAudit:
    """Which images `model` gets right under each of the shifts, with each of the seeds, in float32.

    Raises NotbugsError if model and data do not fit, or nothing is tried.

    >>> from notbugs import build, load
    >>> from notbugs.shifts import Corruption
    >>> digits, model = load("digits", split="test").first(50), build("convnet-8-8-8-8", classes=10, seed=0)
    >>> found = shifted(model, digits, shifts=[Corruption("fog", 3), Corruption("fog", 5)])
    >>> found.worst(found.shifts).value <= found.accuracy(found.shifts).value
    True
    """
    if not shifts or not seeds:
        raise NotbugsError("nothing to try: give at least one shift and one seed")
    require_logits(model, data.images, classes=data.classes)
    views = views_of(model, data.images.device, precision=precision)
    with frozen(model):
        clean = predictions(model, data.images) == data.labels
        rows, total = [], len(shifts) * len(seeds)
        for shift in shifts:
            for seed in seeds:
                rows.append(right_under(views, data, lambda part, at: shift(part, seed=seed, indices=at)))  # noqa: B023
                progress(len(rows), total, str(shift))
    right = torch.stack(rows).view(len(shifts), len(seeds), len(data))
    return ShiftAudit(shifts=tuple(map(str, shifts)), seeds=tuple(seeds), clean=clean, right=right)


def right_under(
    views: Views, data: LabeledImages, change: Callable[[Images, range], Images], *, at_once: int = 500
) -> Mask:
    """Which images are right after `change`, which is given a part of them and their places; the model is frozen."""
    parts = []
    for first in range(0, len(data), at_once):
        part = data.images[first : first + at_once]
        shown = change(part, range(first, first + len(part)))
        parts.append(quick_predictions(views, shown) == data.labels[first : first + at_once])
    return torch.cat(parts)


def _proportion(right: Mask) -> Proportion:
    return Proportion(int(right.sum()), len(right))


__all__ = ["Difference", "Mean", "ShiftAudit", "difference", "right_under", "shifted"]
