"""Whether the answer follows one small region, when its content is swapped with another image's.

A tag, a watermark, a ruler: what stands in one place and decides the class there shows when it is moved to an image
of another class and the answer goes with it. A window slid over the image finds where, without being told.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from notbugs.audits.flag import Flag
from notbugs.audits.swapping import FEWEST, STANDS_OUT, SUSPICIOUS, Swaps, answers_after, swaps_of
from notbugs.audits.views import Views, views_of
from notbugs.data.labeled import LabeledImages
from notbugs.models import frozen
from notbugs.models.logits import require_logits
from notbugs.progress import Progress, silent
from notbugs.proportion import Proportion
from notbugs.tensors import Classifier

WINDOW, STRIDE = 4, 8
"""A window has one fourth of the image's height and width, and moves by an eighth of them."""


@final
@dataclass(frozen=True, kw_only=True)
class Windows:
    """Where windows lie: their size, the top of each row of them, the left edge of each column, in pixels."""

    size: tuple[int, int]
    top: tuple[int, ...]
    left: tuple[int, ...]

    def apart(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether the windows at two places, (row, column), share no pixel."""
        down, across = self.top[one[0]] - self.top[other[0]], self.left[one[1]] - self.left[other[1]]
        return abs(down) >= self.size[0] or abs(across) >= self.size[1]

    def described(self, row: int, column: int) -> str:
        """Where a window lies, in words."""
        top, left, (height, width) = self.top[row], self.left[column], self.size
        return f"rows {top} to {top + height - 1}, columns {left} to {left + width - 1}"


def windows_of(height: int, width: int) -> Windows:
    """Those that are slid over images of this size, from edge to edge."""
    size = max(1, height // WINDOW), max(1, width // WINDOW)
    top, left = (
        tuple(dict.fromkeys((*range(0, side - one + 1, max(1, side // STRIDE)), side - one)))
        for side, one in zip((height, width), size, strict=True)
    )
    return Windows(size=size, top=top, left=left)


@final
@dataclass(frozen=True, kw_only=True)
class RegionMap:
    """How often the answer goes with a window's content: `follows[row, column]` of the `n` pairs of images that the
    model answers differently.

    `followed[row, column, class]` counts them by the answer to the image whose content was moved, `moved[class]` how
    often that was.
    """

    windows: Windows
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
        row, column = divmod(int(self.follows.argmax()), len(self.windows.left))
        return row, column

    @property
    def strongest_share(self) -> Proportion:
        return Proportion(int(self.follows[self.strongest]), max(1, self.n))

    @property
    def elsewhere(self) -> float:
        """How often the answer goes, on average, with windows that share no pixel with the strongest one."""
        places = [(row, column) for row in range(len(self.follows)) for column in range(len(self.follows[0]))]
        apart = [float(self.follows[place]) for place in places if self.windows.apart(place, self.strongest)]
        return sum(apart) / max(1, len(apart)) / max(1, self.n)

    def described(self) -> str:
        """Where the strongest window lies, in words."""
        return self.windows.described(*self.strongest)

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
    require_logits(model, data.images, classes=data.classes)
    views = views_of(model, data.images.device, precision=precision)
    windows, swaps, rows = windows_of(*data.images.shape[2:]), swaps_of(model, data, seed=seed), []
    with frozen(model):
        for row in range(len(windows.top)):
            rows.append(followed_in_row(views, data, swaps, windows, row))
            progress(row + 1, len(windows.top), "rows of windows")
    return RegionMap(windows=windows, followed=torch.stack(rows), moved=swaps.moved)


def followed_in_row(
    views: Views, data: LabeledImages, swaps: Swaps, windows: Windows, row: int
) -> Int[Tensor, "columns classes"]:
    """How often the answer went with each window of a row, by that answer; the model is frozen."""
    (height, width), top = windows.size, windows.top[row]
    counts = []
    for left in windows.left:
        window = torch.zeros(data.images.shape[2:], dtype=torch.bool, device=data.images.device)
        window[top : top + height, left : left + width] = True
        follows = answers_after(views, data, swaps, window) == swaps.given
        counts.append(swaps.given[follows].bincount(minlength=swaps.classes).cpu())
    return torch.stack(counts)


__all__ = ["RegionMap", "Windows", "followed_in_row", "region_map", "windows_of"]
