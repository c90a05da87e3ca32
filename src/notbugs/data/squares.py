"""Adversarial Squares: bugs without non-robust features (Nakkiran 2019, "Adversarial Examples are Just Bugs, Too").

Every image is one grey, light or dark, that says the label, with independent noise of a tenth of that on every
value; part of the training labels are wrong. Only the grey tells anything: the noise is independent of the label, so
no useful feature is non-robust. The sign of <x - 1/2, 1> is right on all true labels, under every change below Linf
0.9 times the contrast. A network that learns the wrong labels by heart has to use the noise.
"""

import torch

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.splits import require_split
from notbugs.errors import NotbugsError, require_positive
from notbugs.seeds import generator

CONTRAST, NOISE, WRONG = 0.45, 0.1, 0.1
"""Of the grey above or below 1/2, in pixel units; of the noise, as a share of that; of the training labels."""


def squares(
    split: str = "train",
    *,
    count: int | None = None,
    wrong: float = WRONG,
    image_size: int = 32,
    seed: int = 0,
) -> LabeledImages:
    """Light and dark squares: 10 000 for training, `wrong` of them under the other label; 2 000 for testing.

    The column `true_label` says what the grey says.

    >>> data = squares(count=1000)
    >>> 0.85 < float((data.labels == data.columns["true_label"]).float().mean()) < 0.95
    True
    """
    require_split(split)
    if not 0 <= wrong < 0.5:
        raise NotbugsError(f"wrong must lie in [0, 0.5), got {wrong}")
    if count is None:
        count = 10_000 if split == "train" else 2_000
    require_positive("count", count)
    draw = generator(seed, "squares", split)
    truth = torch.randint(2, (count,), generator=draw)
    noise = torch.rand(count, 3, image_size, image_size, generator=draw) * 2 - 1
    images = 0.5 + CONTRAST * ((2 * truth - 1).view(-1, 1, 1, 1) + NOISE * noise)
    turned = torch.rand(count, generator=draw) < (wrong if split == "train" else 0)
    return LabeledImages(
        images=images,
        labels=torch.where(turned, 1 - truth, truth),
        class_names=("dark", "light"),
        origin=Origin(
            name="squares",
            licence="CC0-1.0",
            recipe={"split": split, "seed": seed, "count": count, "wrong": wrong, "size": image_size},
        ),
        columns={"true_label": truth},
    )


__all__ = ["CONTRAST", "NOISE", "WRONG", "squares"]
