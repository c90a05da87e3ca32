"""Whether the answer follows one small region, when its content is swapped with another image's.

A tag, a watermark, a ruler: what stands in one place and decides the class there shows when it is moved to an image
of another class and the answer goes with it. A window slid over the image finds where, without being told.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from notbugs.audits.flag import Flag
from notbugs.audits.proportion import Proportion
from notbugs.audits.views import Views, predictions, quick_predictions, views_of
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.models.logits import require_logits
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.tensors import Classifier, Labels

WINDOW, STRIDE = 4, 8
"""A window has one fourth of the image's height and width, and moves by an eighth of them."""

SUSPICIOUS = 0.15
"""A window, 1/16 of the image, that takes more of the answers with it than this is told of, if it takes
STANDS_OUT times as many as windows apart from it, and there are FEWEST pairs.
"""

STANDS_OUT, FEWEST = 3, 30


@final
@dataclass(frozen=True, kw_only=True)
class RegionMap:
    """How often the answer goes with a window's content: `follows[row, column]` of the `n` pairs of images that the
    model answers differently; `top` and `left` say where the windows lie, `size` how large they are, in pixels.

    `followed[row, column, class]` counts them by the answer to the image whose content was moved, `moved[class]` how
    often that was.
    """

    size: tuple[int, int]
    top: tuple[int, ...]
    left: tuple[int, ...]
    followed: Int[Tensor, "rows columns classes"]
    moved: Int[Tensor, " classes"]

    @property
    def n(self) -> int:
        return int(self.moved.sum())

    @property
    def follows(self) -> Int[Tensor, "rows columns"]:
        return self.followed.sum(2)

    @property
    def strongest(self) -> tuple[int, int]:
        """Row and column of the window that takes most answers with it."""
        place = int(self.follows.argmax())
        return place // len(self.left), place % len(self.left)

    @property
    def strongest_share(self) -> Proportion:
        return Proportion(int(self.follows[self.strongest]), max(1, self.n))

    @property
    def elsewhere(self) -> float:
        """How often the answer goes, on average, with windows that share no pixel with the strongest one."""
        row, column = self.strongest
        apart = [
            float(self.follows[y, x])
            for y, top in enumerate(self.top)
            for x, left in enumerate(self.left)
            if abs(top - self.top[row]) >= self.size[0] or abs(left - self.left[column]) >= self.size[1]
        ]
        return sum(apart) / max(1, len(apart)) / max(1, self.n)

    def described(self) -> str:
        """Where the strongest window lies, in words."""
        row, column = self.strongest
        top, left, (height, width) = self.top[row], self.left[column], self.size
        return f"rows {top} to {top + height - 1}, columns {left} to {left + width - 1}"

    def flag(self) -> Flag | None:
        """A reason to distrust the model's accuracy: it hangs on one small place."""
        share, elsewhere = self.strongest_share, self.elsewhere
        if self.n < FEWEST or share.interval[0] <= max(SUSPICIOUS, STANDS_OUT * elsewhere):
            return None
        return Flag(
            "follows_a_region",
            f"Moved to another image, the content of {self.described()} takes {100 * share.value:.0f} % of the "
            f"answers with it ({share.count} of {share.n}); windows apart from it {100 * elsewhere:.0f} %.",
            "Look at what stands there: where it is missing or wrong the model will be too.",
        )


def region_map(
    model: Classifier,
    data: LabeledImages,
    *,
    seed: int = 0,
    precision: str = "auto",
    progress: Progress = silent,
) -> RegionMap:
    """Slide a window over the images and see where the answer follows its content (`RegionMap`).

    Each image takes the window's content from another one that the model answers differently; the answer follows if
    it becomes the other's. Labels play no part: a tag shows whether or not it says the truth here. A model with one
    answer to all has no such pairs, and n = 0. Raises NotbugsError if model and data do not fit.

    >>> from notbugs import load
    >>> from notbugs.data.planted import truth_of
    >>> data = load("planted-spurious").first(200)
    >>> region_map(truth_of(data).matched_filter("spurious"), data).described()
    'rows 0 to 7, columns 0 to 7'
    """
    views, pairs = _pairs(model, data, seed=seed, precision=precision)
    height, width = data.images.shape[2:]
    size = max(1, height // WINDOW), max(1, width // WINDOW)
    top, left = (
        tuple(dict.fromkeys((*range(0, side - one + 1, max(1, side // STRIDE)), side - one)))
        for side, one in zip((height, width), size, strict=True)
    )
    # A model may have more classes than the data.
    classes = max(data.classes, 1 + max(pairs.given.tolist(), default=0))
    followed = torch.zeros(len(top), len(left), classes, dtype=torch.int64)
    with frozen(model):
        for number, (y, x) in enumerate((y, x) for y in top for x in left):
            window = torch.zeros(height, width, dtype=torch.bool, device=data.images.device)
            window[y : y + size[0], x : x + size[1]] = True
            follows = _answers(views, data, pairs, window) == pairs.given
            counts = pairs.given[follows].bincount(minlength=classes)
            followed[number // len(left), number % len(left)] = counts.cpu()
            progress(number + 1, len(top) * len(left), "windows")
    return RegionMap(
        size=size,
        top=top,
        left=left,
        followed=followed,
        moved=pairs.given.bincount(minlength=classes).cpu(),
    )


@final
@dataclass(frozen=True, kw_only=True)
class Moved:
    """What became of the answers when a region's content was swapped: they follow it, or stay, or neither."""

    follows: Proportion
    stays: Proportion


def moved_region(
    model: Classifier,
    data: LabeledImages,
    mask: Bool[Tensor, "height width"],
    *,
    seed: int = 0,
    precision: str = "auto",
) -> Moved:
    """Whether the answer follows the region that `mask` names: its content is taken from another image.

    Raises NotbugsError for a mask of another size, for a model with one answer to all, and as `region_map`.
    """
    if mask.shape != data.images.shape[2:] or mask.dtype != torch.bool:
        raise NotbugsError(
            f"the mask is {mask.dtype} of {tuple(mask.shape)}, the images are {tuple(data.images.shape[2:])}; "
            "a mask holds one bool per pixel"
        )
    views, pairs = _pairs(model, data, seed=seed, precision=precision)
    with frozen(model):
        answers = _answers(views, data, pairs, mask.to(data.images.device))
    n = len(answers)
    if n == 0:
        raise NotbugsError("the model has one answer to all images: nothing can be swapped")
    return Moved(
        follows=Proportion(int((answers == pairs.given).sum()), n),
        stays=Proportion(int((answers == pairs.own).sum()), n),
    )


@final
@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Images that receive a region and those that give it, by place, with the answers to both."""

    taker: Labels
    giver: Labels
    own: Labels
    given: Labels


def _pairs(model: Classifier, data: LabeledImages, *, seed: int, precision: str) -> tuple[Views, _Pairs]:
    require_logits(model, data.images, classes=data.classes)
    views = views_of(model, data.images.device, precision=precision)
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
    return views, _Pairs(taker=taker[fits].to(place), giver=giver[fits].to(place), own=own, given=given)


def _answers(
    views: Views, data: LabeledImages, pairs: _Pairs, window: Bool[Tensor, "height width"], at_once: int = 500
) -> Labels:
    """What the model says of the takers with the givers' content in the window."""
    parts = []
    for taker, giver in zip(pairs.taker.split(at_once), pairs.giver.split(at_once), strict=True):
        shown = torch.where(window, data.images[giver], data.images[taker])
        parts.append(quick_predictions(views, shown))
    return torch.cat(parts) if parts else pairs.own


__all__ = ["Moved", "RegionMap", "moved_region", "region_map"]
