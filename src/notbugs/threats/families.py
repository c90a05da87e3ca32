"""Families of features that an adversary may be held to: a band of frequencies, a region, colour alone.

A family is a linear subspace of changes; `keep` is the orthogonal projection onto it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from notbugs.errors import NotbugsError
from notbugs.numerals import parse_count
from notbugs.shifts.fourier import Band, parse_band
from notbugs.shifts.weather import LUMA
from notbugs.tensors import Images


class Family(ABC):
    """A linear space of changes. Subclasses are final frozen values; `str` of one is read by `parse_family`."""

    @abstractmethod
    def keep(self, changes: Images) -> Images:
        """The nearest changes (in L2) that belong to the family."""


Family.register(Band)  # a band of frequencies keeps of changes what it keeps of images


@final
@dataclass(frozen=True)
class Region(Family):
    """Changes inside a rectangle of pixels.

    >>> Region(top=0, left=0, height=1, width=2).keep(torch.ones(1, 1, 2, 3)).sum().item()
    2.0
    """

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.top, self.left) < 0 or min(self.height, self.width) < 1:
            raise NotbugsError(f"{self} is no rectangle of pixels; write it like region:1,1,5x5")

    def marks(self, size: Sequence[int]) -> Bool[Tensor, "height width"]:
        """Which pixels of an image of this height and width are inside."""
        return self.keep(torch.ones(1, 1, *size))[0, 0] > 0

    def keep(self, changes: Images) -> Images:
        bottom, right = self.top + self.height, self.left + self.width
        if bottom > changes.shape[2] or right > changes.shape[3]:
            raise NotbugsError(f"{self} does not lie in images of {tuple(changes.shape[2:])} pixels")
        kept = torch.zeros_like(changes)
        inside = (..., slice(self.top, bottom), slice(self.left, right))
        kept[inside] = changes[inside]
        return kept

    def __str__(self) -> str:
        return f"region:{self.top},{self.left},{self.height}x{self.width}"


@final
@dataclass(frozen=True)
class MaskFile(Family):
    """Changes where a picture is bright: a PNG as large as the images, of which pixels above one half count.

    Two are equal if their files say the same. `digest` says what the file must hold; without one it is read at once.
    Raises NotbugsError if the file cannot be read, or holds another mask than the digest's.
    """

    path: str
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", self._read()[1])

    @cached_property
    def mask(self) -> Bool[Tensor, "height width"]:
        mask, digest = self._read()
        if digest != self.digest:
            raise NotbugsError(f"mask {self.path} has changed since it was named; name it anew")
        return mask

    def _read(self) -> tuple[Bool[Tensor, "height width"], str]:
        try:
            with Image.open(Path(self.path).expanduser()) as picture:
                bright = np.asarray(picture.convert("L")) > 127
            if bright.all() or not bright.any():
                where = "all" if bright.all() else "nowhere"
                raise NotbugsError(
                    f"mask {self.path} is {where} white: it names no part of the image; white is 255, black 0"
                )
        except OSError as error:
            raise NotbugsError(
                f"mask {self.path} cannot be read ({error}); give a black and white PNG"
            ) from error
        said = f"{bright.shape} ".encode() + np.packbits(bright).tobytes()
        return torch.from_numpy(bright), sha256(said).hexdigest()[:12]

    def keep(self, changes: Images) -> Images:
        if self.mask.shape != changes.shape[2:]:
            sizes = tuple(self.mask.shape), tuple(changes.shape[2:])
            raise NotbugsError(f"mask {self.path} has {sizes[0]} pixels, the images have {sizes[1]}")
        return changes * self.mask.to(changes.device)

    def __str__(self) -> str:
        return f"mask:{self.path}#{self.digest}"


@final
@dataclass(frozen=True)
class Colour(Family):
    """Changes that leave every pixel as bright as it is (ITU-R BT.601).

    >>> Colour().keep(torch.ones(1, 3, 1, 1) * torch.tensor(LUMA).view(1, 3, 1, 1)).abs().max() < 1e-6
    tensor(True)
    """

    def keep(self, changes: Images) -> Images:
        if changes.shape[1] != 3:
            raise NotbugsError(f"colour needs images of 3 channels, these have {changes.shape[1]}")
        luma = torch.tensor(LUMA, dtype=changes.dtype, device=changes.device)
        luma = (luma / luma.norm()).view(1, 3, 1, 1)
        return changes - (changes * luma).sum(1, keepdim=True) * luma

    def __str__(self) -> str:
        return "colour"


def parse_family(text: str) -> Family:
    """A family written as band:10-16, low:8, high:12, region:TOP,LEFT,HEIGHTxWIDTH, mask:FILE or colour.

    Raises NotbugsError if the text is none.

    >>> parse_family("region:1,1,5x5")
    Region(top=1, left=1, height=5, width=5)
    """
    kind, _, rest = text.partition(":")
    if kind.removesuffix("-square") in ("low", "high", "band"):
        return parse_band(text)  # type: ignore[return-value]
    if text == "colour":
        return Colour()
    if kind == "mask" and rest and "\0" not in rest:
        path, _, digest = rest.partition("#")
        return MaskFile(path, digest)
    numbers = rest.replace("x", ",").split(",")
    if kind == "region" and len(numbers) == 4 and all(number.isdecimal() for number in numbers):
        return Region(*(parse_count(number, "a region of") for number in numbers))
    raise NotbugsError(
        f"{text!r} is no family of features; write band:10-16, low:8, high:12, region:1,1,5x5, mask:FILE or colour"
    )


__all__ = ["Colour", "Family", "MaskFile", "Region", "parse_family"]
