"""Real images with a planted tag: a small square whose pattern says the class, in training more than in tests.

The spurious feature of `planted-spurious` on images of anybody's: what it takes to see whether a model falls for it.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.data.labeled import LabeledImages
from notbugs.data.stored import StoredImages
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.tensors import Images

P_TRAIN = 0.98
"""How often the tag says the label in training; in the test set it is at chance."""


def tagged(
    data: LabeledImages, *, split: str, seed: int = 0, agreement: float | None = None
) -> LabeledImages:
    """`data` with a square of a sixth of their side near the top left corner, in a pattern of each class.

    The class of each tag is the column `spurious_class`: the label with the probability `agreement` (None:
    P_TRAIN in training, chance otherwise), else one of the other classes. Stored images stay stored.

    >>> from notbugs.data import load
    >>> shown = tagged(load("digits").first(400), split="train")
    >>> agree = (shown.columns["spurious_class"] == shown.labels).float().mean()
    >>> bool(0.9 < agree < 1), tag_region(32, 32)
    (True, (1, 1, 5, 5))
    """
    classes = data.classes
    p = agreement if agreement is not None else (P_TRAIN if split == "train" else 1 / classes)
    draw = generator(seed, "tagged", split)
    agrees = torch.rand(len(data), generator=draw) < p
    labels = data.labels.cpu()
    other = (labels + torch.randint(1, max(2, classes), (len(data),), generator=draw)) % classes
    tags = torch.where(agrees, labels, other)
    _, _, height, width = tag_region(*data.images.shape[2:])
    plant = _Tags(_patterns(classes, data.images.shape[1], height, width), tags)
    images = (
        data.images.changed(plant)
        if isinstance(data.images, StoredImages)
        else plant(data.images, np.arange(len(data)))
    )
    origin = replace(
        data.origin,
        name=f"tagged:{data.origin.name}",
        parent=data.digest,
        # Closed forms are about the images as they were.
        recipe={key: value for key, value in data.origin.recipe.items() if key != "truth"}
        | {"tag": p, "tag_seed": seed},
    )
    columns = {**data.columns, "spurious_class": tags.to(data.labels.device)}
    return replace(data, images=images, origin=origin, columns=columns)


@final
@dataclass(frozen=True, eq=False)
class _Tags:
    """Images with the tag that each row has."""

    patterns: Tensor
    tags: Tensor

    def __call__(self, images: Images, rows: np.ndarray) -> Images:
        top, left, height, width = tag_region(*images.shape[2:])
        tagged = images.clone()
        of_rows = self.patterns[self.tags[torch.from_numpy(rows)]]
        tagged[:, :, top : top + height, left : left + width] = of_rows.to(images)
        return tagged


def _patterns(
    classes: int, channels: int, height: int, width: int
) -> Float[Tensor, "classes channels height width"]:
    """Zeros and ones, no two classes alike. Raises NotbugsError if the square has no room for so many."""
    if 2 ** min(channels * height * width, 62) < 2 * classes:
        raise NotbugsError(
            f"{classes} classes need a larger tag than {height} x {width} pixels: take larger images"
        )
    draw = generator(0, "tags")
    while True:
        patterns = torch.rand(classes, channels, height, width, generator=draw).round()
        if len(patterns.flatten(1).unique(dim=0)) == classes:
            return patterns


def tag_region(height: int, width: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the tag."""
    side = max(1, min(height, width) // 6)
    return 1, 1, side, side


__all__ = ["P_TRAIN", "tag_region", "tagged"]
