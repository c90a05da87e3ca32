"""Part of an image taken from another one: does the answer follow it?"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from notbugs.audits.flag import Flag
from notbugs.audits.views import Views, predictions, quick_predictions, views_of
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.models.logits import require_logits
from notbugs.proportion import Proportion
from notbugs.seeds import generator
from notbugs.tensors import Classifier, Labels

SUSPICIOUS = 0.15
"""What takes more of the answers with it is told of, if it takes STANDS_OUT times as many as a part of its size may
well do, and there are FEWEST pairs.
"""

STANDS_OUT, FEWEST = 3, 30


@final
@dataclass(frozen=True, kw_only=True)
class Swaps:
    """Images that take a part and those that give it, by place, with the answers to both: of `classes` classes."""

    taker: Labels
    giver: Labels
    own: Labels
    given: Labels
    classes: int

    def __len__(self) -> int:
        return len(self.taker)

    @property
    def moved(self) -> Int[Tensor, " classes"]:
        """How often each answer was that to the image whose content was moved."""
        return self.given.bincount(minlength=self.classes).cpu()


def swaps_of(model: Classifier, data: LabeledImages, *, seed: int) -> Swaps:
    """For each image another one that `model` answers differently, where there is one."""
    answers = predictions(model, data.images).cpu()
    order = torch.randperm(len(data), generator=generator(seed, "regions"))
    taker, giver = torch.arange(len(data)), order
    for shift in range(1, len(order)):  # a partner with the same answer: the next in the row, until none has
        same = answers[taker] == answers[giver]
        if not bool(same.any()):
            break
        giver = torch.where(same, order.roll(shift), giver)
    fits = (answers[taker] != answers[giver]) & (answers[taker] >= 0) & (answers[giver] >= 0)
    place = data.labels.device
    own, given = answers[taker[fits]].to(place), answers[giver[fits]].to(place)
    # A model may have more classes than the data.
    classes = max(data.classes, 1 + max(given.tolist(), default=0))
    return Swaps(
        taker=taker[fits].to(place), giver=giver[fits].to(place), own=own, given=given, classes=classes
    )


def answers_after(
    views: Views,
    data: LabeledImages,
    swaps: Swaps,
    part: Bool[Tensor, "height width"],
    *,
    at_once: int = 500,
) -> Labels:
    """What the model, which is frozen, says of the takers with the givers' content in the part."""
    found = []
    for taker, giver in zip(swaps.taker.split(at_once), swaps.giver.split(at_once), strict=True):
        shown = torch.where(part, data.images[giver], data.images[taker])
        found.append(quick_predictions(views, shown))
    return torch.cat(found) if found else swaps.own


@final
@dataclass(frozen=True, kw_only=True)
class Moved:
    """What became of the answers when a part was swapped: they follow it, or stay, or neither. `area`: the share of
    the image that the part covers.
    """

    area: float
    follows: Proportion
    stays: Proportion

    def flag(self) -> Flag | None:
        """A reason to distrust the accuracy: it hangs on this part far more than on as large a one anywhere."""
        # From a large part nearly all answers may well go: halfway between its size and everything is far more.
        limit = max(SUSPICIOUS, min(STANDS_OUT * self.area, (1 + self.area) / 2))
        if self.follows.n < FEWEST or self.follows.interval[0] <= limit:
            return None
        return Flag(
            "follows_the_mask",
            f"Moved to another image, what the mask covers, {100 * self.area:.0f} % of the image, takes "
            f"{100 * self.follows.value:.0f} % of the answers with it ({self.follows.count} of {self.follows.n}).",
            "Cover it in the training images, or train against every change of it (--attack pgd:l2:2@mask:FILE:3).",
        )


def moved_part(
    views: Views, data: LabeledImages, swaps: Swaps, part: Bool[Tensor, "height width"]
) -> Moved | None:
    """What becomes of the answers when that part is swapped; None if nothing can be. The model is frozen."""
    if len(swaps) == 0:
        return None
    answers = answers_after(views, data, swaps, part.to(data.images.device))
    return Moved(
        area=float(part.double().mean()),
        follows=Proportion(int((answers == swaps.given).sum()), len(swaps)),
        stays=Proportion(int((answers == swaps.own).sum()), len(swaps)),
    )


def moved_region(
    model: Classifier,
    data: LabeledImages,
    mask: Bool[Tensor, "height width"],
    *,
    seed: int = 0,
    precision: str = "auto",
) -> Moved:
    """Whether the answer follows the region that `mask` names: its content is taken from another image.

    Raises NotbugsError for a mask of another size, for a model with one answer to all, and if model and data do not
    fit.
    """
    if mask.shape != data.images.shape[2:] or mask.dtype != torch.bool:
        raise NotbugsError(
            f"the mask is {mask.dtype} of {tuple(mask.shape)}, the images are {tuple(data.images.shape[2:])}; "
            "a mask holds one bool per pixel"
        )
    require_logits(model, data.images, classes=data.classes)
    views = views_of(model, data.images.device, precision=precision)
    with frozen(model):
        moved = moved_part(views, data, swaps_of(model, data, seed=seed), mask)
    if moved is None:
        raise NotbugsError("the model has one answer to all images: nothing can be swapped")
    return moved


__all__ = [
    "FEWEST",
    "STANDS_OUT",
    "SUSPICIOUS",
    "Moved",
    "Swaps",
    "answers_after",
    "moved_part",
    "moved_region",
    "swaps_of",
]
