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

from notbugs.audits.views import Views, predictions, quick_predictions, views_of
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.models.logits import require_logits
from notbugs.progress import Progress, silent
from notbugs.proportion import Proportion, Z, wilson
from notbugs.shifts import Shift
from notbugs.tensors import Classifier, Images, Mask


@final
@dataclass(frozen=True)
class Mean:
    """The mean over images of a share of trials each, with Wilson's 95 % interval: trials of an image go together.

    How many independent images would vary as much is what the interval counts with: all of them, where each was tried
    once.

    >>> print(Mean.of(torch.tensor([[True, True, False], [True, False, False]])))
    0.500 [0.161, 0.839] (n=3)
    """

    value: float
    interval: tuple[float, float]
    n: int

    @classmethod
    def of(cls, right: Bool[Tensor, "trials images"]) -> "Mean":
        return cls.over(right.double().mean(0), most=len(right))

    @classmethod
    def over(cls, shares: Float[Tensor, " images"], *, most: int = 20) -> "Mean":
        """The mean of shares in [0, 1] that are independent of each other, as those of different images are.

        A share tells at most `most` times as much as one trial would: that many trials, where it is made of trials.
        """
        middle, n = float(shares.mean()), len(shares)
        variance = float(shares.var(correction=0))
        # Never more than the images there are, and these where all are alike: no spread is no certainty.
        as_many = middle * (1 - middle) / variance * n if variance > 1e-12 else float(n)
        low, high = wilson(middle, min(as_many, most * n))
        return cls(middle, (min(low, middle), max(high, middle)), n)

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

    @classmethod
    def of(cls, gains: Float[Tensor, " images"]) -> "Difference":
        """The mean of what each image gains: 1 where only the second model is right, -1 where only the first is.

        Where the models agree on all, the interval is still as wide as that of a share of 0 among n.
        """
        middle, n = float(gains.mean()), len(gains)
        floor = Z * Z / (n + Z * Z)
        half = max(floor, Z * float(gains.std()) / math.sqrt(n)) if n > 1 else 1.0
        return cls(middle, (middle - half, middle + half), n)


def difference(
    first: ShiftAudit, second: ShiftAudit, shifts: Shift | str | Iterable[Shift | str]
) -> Difference:
    """Accuracy of `second` less that of `first`, on average over the shifts and seeds, paired by image.

    That both saw the same images is the caller's to know; more or fewer raise NotbugsError, as does a shift that was
    not tried.
    """
    if len(first.clean) != len(second.clean):
        raise NotbugsError(
            f"the audits saw {len(first.clean)} and {len(second.clean)} images: they must be the same"
        )
    names = [shifts] if isinstance(shifts, Shift | str) else list(shifts)
    return Difference.of(second._trials(names).double().mean(0) - first._trials(names).double().mean(0))


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
    if alike := [str(one) for one in shifts for other in shifts if one != other and str(one) == str(other)]:
        raise NotbugsError(
            f"different shifts have the same text, {alike[0]}: their numbers could not be told apart"
        )
    require_logits(model, data.images, classes=data.classes)
    views = views_of(model, data.images.device, precision=precision)
    with frozen(model):
        clean = predictions(model, data.images) == data.labels
        right = trials(views, data, shifts=shifts, seeds=seeds, progress=progress)
    return ShiftAudit(shifts=tuple(map(str, shifts)), seeds=tuple(seeds), clean=clean, right=right)


def trials(
    views: Views,
    data: LabeledImages,
    *,
    shifts: Sequence[Shift],
    seeds: Sequence[int],
    progress: Progress = silent,
) -> Bool[Tensor, "shifts seeds images"]:
    """Which images are right under each shift with each seed; the model is frozen."""
    rows: list[Mask] = []
    for shift in shifts:
        for seed in seeds:
            rows.append(right_under(views, data, lambda part, at: shift(part, seed=seed, indices=at)))  # noqa: B023
            progress(len(rows), len(shifts) * len(seeds), str(shift))
    return torch.stack(rows).view(len(shifts), len(seeds), len(data))


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


__all__ = ["Difference", "Mean", "ShiftAudit", "difference", "right_under", "shifted", "trials"]
