"""Sketches made by code: a scene for each class of CIFAR-10, in colours, places and sizes of their own.

Pictures to draw on where no photographs are at hand: nobody's, without a licence to heed, nothing to download.
Models trained on CIFAR-10 recognise most of them.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.pen import FINE, SIDE, Pen
from notbugs.data.scenes import CLASSES, SCENES
from notbugs.errors import NotbugsError, require_positive, unknown
from notbugs.seeds import generator
from notbugs.tensors import Images

COUNTS = {"train": 500, "test": 200}


def sketches(
    split: str = "train", *, classes: Sequence[str] = CLASSES, count: int | None = None, seed: int = 0
) -> LabeledImages:
    """`count` sketches (by default 500 for training and 200 for tests, which differ), the classes in turn.

    Raises NotbugsError for a class that there is not, or fewer than two.

    >>> shown = sketches(count=20)
    >>> shown.images.shape, shown.class_names[int(shown.labels[8])]
    (torch.Size([20, 3, 32, 32]), 'ship')
    """
    count = COUNTS[split] if count is None else count
    require_positive("count", count)
    for name in classes:
        if name not in CLASSES:
            raise unknown("class of sketches", name, CLASSES)
    if len(set(classes)) < max(2, len(classes)):
        raise NotbugsError(f"name at least two classes, each once; got {', '.join(classes)}")
    labels = torch.arange(count) % len(classes)
    images = torch.cat(
        [
            _sketch(CLASSES.index(classes[label]), generator(seed, "sketches", split, row))
            for row, label in enumerate(labels.tolist())
        ]
    )
    chosen = "" if tuple(classes) == CLASSES else f":{','.join(classes)}"
    return LabeledImages(
        images=images,
        labels=labels,
        class_names=tuple(classes),
        origin=Origin(
            name=f"sketches{chosen}", licence="MIT", recipe={"kind": "sketches", "split": split, "seed": seed}
        ),
    )


def _sketch(label: int, draw: torch.Generator) -> Images:
    subject, above, below, horizon = SCENES[label]
    side = SIDE * FINE
    sky, ground = (
        torch.tensor(colours[int(torch.randint(len(colours), (), generator=draw))]).view(3, 1, 1)
        for colours in (above, below)
    )
    scene = sky * torch.linspace(0.9, 1.1, side).view(1, -1, 1).expand(3, side, side)
    low = round((horizon + 0.06 * (float(torch.rand((), generator=draw)) - 0.5)) * side)
    scene[:, low:] = ground
    # Blotches of every size, as clouds, grass and walls have them.
    for coarse in (4, 8, 16, 32):
        blotches = torch.empty(1, 1, coarse, coarse).normal_(generator=draw)
        scene += 9 * functional.interpolate(blotches, (side, side), mode="bicubic", align_corners=False)[0]
    pixels = scene.clamp(0, 255).byte().permute(1, 2, 0).numpy()
    pen = Pen(draw, Image.fromarray(np.ascontiguousarray(pixels)))
    subject(pen)
    small = pen.picture.resize((SIDE, SIDE), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)[None].float() / 255


__all__ = ["sketches"]
