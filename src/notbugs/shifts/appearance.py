"""Families of features taken away: colour, brightness, texture, the arrangement of the parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch.nn import functional

from notbugs.errors import NotbugsError
from notbugs.shifts.draws import draws_of
from notbugs.shifts.shift import Shift
from notbugs.shifts.weather import grey
from notbugs.tensors import Images


@final
@dataclass(frozen=True)
class WithoutColour(Shift):
    """Every pixel grey, as bright as it was (ITU-R BT.601).

    >>> WithoutColour()(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).flatten()
    tensor([0.2990, 0.2990, 0.2990])
    """

    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        return grey(images).expand_as(images).contiguous()

    def __str__(self) -> str:
        return "without-colour"


@final
@dataclass(frozen=True)
class OnlyColour(Shift):
    """Every pixel as bright as the image is on average; its colour stays as far as [0, 1] lets it."""

    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        light = grey(images)
        return (images - light + light.mean((2, 3), keepdim=True)).clamp_(0, 1)

    def __str__(self) -> str:
        return "only-colour"


@final
@dataclass(frozen=True)
class Shuffled(Shift):
    """A grid of patches in random order: the texture inside them stays, the shape of the whole goes.

    As in Zhang & Zhu 2019 (arXiv 1905.09797). Rows and columns that do not fill a patch stay where they are.

    >>> images = torch.arange(16.0).view(1, 1, 4, 4) / 16
    >>> Shuffled(2)(images).sort().values.sum() == images.sum()
    tensor(True)
    """

    grid: int = 4

    def __post_init__(self) -> None:
        if self.grid < 2:
            raise NotbugsError(f"patches are shuffled in a grid of 2 or more to a side, got {self.grid}")

    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        places = range(len(images)) if indices is None else indices
        draws = draws_of(places, "shuffled", seed=seed, device=images.device)
        height, width = (size // self.grid for size in images.shape[2:])
        if not height or not width:
            size = tuple(images.shape[2:])
            raise NotbugsError(f"images of {size} have no {self.grid} patches to a side")
        tall, wide = height * self.grid, width * self.grid
        patches = functional.unfold(images[:, :, :tall, :wide], (height, width), stride=(height, width))
        order = draws.uniform(self.grid**2).argsort(1)[:, None, :].expand_as(patches)
        mixed = images.clone()
        mixed[:, :, :tall, :wide] = functional.fold(
            patches.gather(2, order), (tall, wide), (height, width), stride=(height, width)
        )
        return mixed

    def __str__(self) -> str:
        return f"shuffled:{self.grid}"


@final
@dataclass(frozen=True)
class WithoutTexture(Shift):
    """Each value the median of the square around it, of so many pixels: edges stay, what is finer goes."""

    side: int = 5

    def __post_init__(self) -> None:
        if self.side < 3 or self.side % 2 == 0:
            raise NotbugsError(f"the median is taken over an odd number of pixels from 3 on, got {self.side}")

    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        reach = self.side // 2
        framed = functional.pad(images, (reach,) * 4, mode="replicate")
        parts = []
        for part in framed.split(32):  # the windows are side^2 times as many values
            windows = part.unfold(2, self.side, 1).unfold(3, self.side, 1)
            parts.append(windows.flatten(4).median(4).values)
        return torch.cat(parts) if parts else images.clone()

    def __str__(self) -> str:
        return f"without-texture:{self.side}"


__all__ = ["OnlyColour", "Shuffled", "WithoutColour", "WithoutTexture"]
