"""Handwritten digits that come with the package: no download, 1797 images, a minute of training.

The test portion of "Optical Recognition of Handwritten Digits" (UCI Machine Learning Repository, CC BY
4.0), as scikit-learn ships it: counts 0 to 16 on an 8x8 grid. `digits.npz` holds `images` and `labels` as
uint8, and `order`, one permutation drawn once, whose first 1297 rows are the training split and whose last
500 are the test.
"""

import io
from importlib.resources import files

import numpy as np
import torch

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.splits import require_split

TRAIN = 1297

ORIGIN = Origin(
    name="digits",
    licence="CC-BY-4.0",
    citation=(
        "E. Alpaydin and C. Kaynak (1998). Optical Recognition of Handwritten Digits. "
        "UCI Machine Learning Repository. https://doi.org/10.24432/C50P49"
    ),
)


def digits(split: str = "train") -> LabeledImages:
    """1297 (train) or 500 (test) handwritten digits, enlarged from 8x8 to 32x32 (bilinear), greyscale as RGB.

    Column `index`: the row in scikit-learn's order. Raises NotbugsError for another split.

    >>> digits("test")
    LabeledImages(digits: 500 images 3x32x32, 10 classes)
    """
    require_split(split)
    with np.load(
        io.BytesIO(files("notbugs.data").joinpath("digits.npz").read_bytes()), allow_pickle=False
    ) as stored:
        rows = stored["order"].astype(np.int64)
        rows = rows[:TRAIN] if split == "train" else rows[TRAIN:]
        counts = torch.from_numpy(stored["images"][rows]).float()
        labels = torch.from_numpy(stored["labels"][rows]).long()
    grey = torch.nn.functional.interpolate(
        counts[:, None] / 16, size=(32, 32), mode="bilinear", align_corners=False
    )
    return LabeledImages(
        images=grey.clamp(0, 1).expand(-1, 3, -1, -1).contiguous(),
        labels=labels,
        class_names=tuple("0123456789"),
        origin=ORIGIN,
        columns={"index": torch.from_numpy(rows)},
    )
