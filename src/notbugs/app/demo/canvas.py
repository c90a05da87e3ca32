"""The drawing canvas of the page: images onto it, and images and marks from what a visitor did there."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from notbugs.app.demo.wish import picture_of
from notbugs.errors import NotbugsError
from notbugs.synthesis.marked import Marks
from notbugs.tensors import Images

SIDE = 384
"""Pixels on the screen: a multiple of the sides of most images."""

STROKE = "#1f5fbf"

LARGEST_SIDE, LAYERS = 2048, 8
"""What a canvas may send: more than any that the page makes."""

DRAWN = "where I drew"
PLACES = {
    "middle": (1, 1, 3, 3), "upper half": (0, 0, 2, 4), "lower half": (2, 0, 4, 4),
    "left half": (0, 0, 4, 2), "right half": (0, 2, 4, 4),
}  # fmt: skip
"""Places for whoever does not draw: top, left, bottom, right, in quarters of the image."""


def on_canvas(image: Images, marks: Marks | None = None) -> Any:
    """An image (1, channel, side, side) as the canvas holds it, with strokes where there are marks."""
    picture = own(_enlarged(image))
    if marks is None or not marks.any():
        return {"background": picture, "layers": [], "composite": picture}
    seen = _enlarged(marks[:, None].float()).convert("L")
    strokes = Image.new("RGBA", seen.size, STROKE)
    strokes.putalpha(seen)
    composite = Image.alpha_composite(picture.convert("RGBA"), strokes)
    return {"background": picture, "layers": [own(strokes)], "composite": own(composite)}


def own(picture: Image.Image) -> Image.Image:
    """The picture with a text in it that no other has, for one visitor: the server names files after what is in them,
    and writes a file again while somebody else is reading it.
    """
    picture.info["own"] = uuid4().hex
    return picture


def with_strokes(canvas: Mapping[str, Any], side: int) -> Images:
    """What the canvas shows, strokes and all: (1, 3, side, side)."""
    return image_of(canvas.get("composite"), side)


def without_strokes(canvas: Mapping[str, Any], side: int) -> Images:
    """The image that was drawn upon; white where there is none."""
    return image_of(canvas.get("background"), side)


def marks_of(canvas: Mapping[str, Any], place: str, side: int) -> Marks:
    """Where somebody drew, or the place by name: (1, side, side). A pixel is marked where half of it is covered."""
    if place in PLACES:
        marks = torch.zeros(1, side, side, dtype=torch.bool)
        top, left, bottom, right = (round(side * quarters / 4) for quarters in PLACES[place])
        marks[:, top:bottom, left:right] = True
        return marks
    if place != DRAWN:
        raise NotbugsError(f"There is no place {place!r}. Choose one of the list.")
    covered = torch.zeros(1, side, side)
    layers = canvas.get("layers") or []
    if len(layers) > LAYERS:
        raise NotbugsError(f"There are more than {LAYERS} layers. Draw on fewer.")
    for layer in layers:
        strokes = _values(layer)[3]
        covered = torch.maximum(covered, functional.adaptive_avg_pool2d(strokes[None], side))
    return covered >= 0.5


def _values(pixels: Any) -> torch.Tensor:
    """(channel, height, width) in [0, 1]."""
    sent = np.asarray(pixels)
    if sent.ndim != 3 or max(sent.shape[:2]) > LARGEST_SIDE:
        raise NotbugsError(
            f"The canvas holds images of at most {LARGEST_SIDE} pixels a side. Upload it anew."
        )
    return torch.from_numpy(sent.astype(np.float32) / 255).movedim(2, 0)


def _enlarged(image: Images) -> Image.Image:
    return picture_of(image, -(-SIDE // image.shape[-1])).resize((SIDE, SIDE))


def image_of(pixels: Any, side: int) -> Images:
    """A picture or its values (height, width, 3 or 4), on white and `side` pixels wide; white where there is none.

    Raises NotbugsError for one that is larger than the page makes any.
    """
    if pixels is None:
        return torch.ones(1, 3, side, side)
    values = _values(pixels)
    seen = values[3:] if len(values) > 3 else torch.ones_like(values[:1])
    on_white = values[:3] * seen + 1 - seen
    return functional.adaptive_avg_pool2d(on_white[None], side)


__all__ = [
    "DRAWN", "PLACES", "SIDE", "STROKE", "image_of", "marks_of", "on_canvas", "own", "with_strokes",
    "without_strokes",
]  # fmt: skip
