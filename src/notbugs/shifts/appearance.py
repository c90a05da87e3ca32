"""Families of features taken away: colour, brightness, texture, the arrangement of the parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from notbugs.errors import NotbugsError
from notbugs.shifts.draws import draws_of
from notbugs.shifts.shift import Shift
from notbugs.shifts.weather import grey
from notbugs.tensors import Images
from notbugs.threads import over_parts


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


_SORTED, _VALUES_AT_ONCE = 9, 1 << 24
"""Windows up to so many pixels to a side are sorted, of so many values at a time; larger ones are counted."""


@final
@dataclass(frozen=True)
class WithoutTexture(Shift):
    """Each value the median of the square around it, of so many pixels: edges stay, what is finer goes.

    Of squares of more than 9 pixels to a side it is the median of bytes.
    """

    side: int = 5

    def __post_init__(self) -> None:
        if self.side < 3 or self.side % 2 == 0:
            raise NotbugsError(f"the median is taken over an odd number of pixels from 3 on, got {self.side}")

    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        framed = functional.pad(images, (self.side // 2,) * 4, mode="replicate")
        if len(images) == 0:
            return images.clone()
        if self.side > _SORTED:
            threads = torch.get_num_threads() if images.device.type == "cpu" else 1
            parts = framed.split(1 if threads > 1 else 32)
            return torch.cat(
                over_parts(lambda part: _median_by_counting(part, self.side), parts, threads=threads)
            )
        size = max(1, _VALUES_AT_ONCE // (images[0].numel() * self.side**2))
        windows = (part.unfold(2, self.side, 1).unfold(3, self.side, 1) for part in framed.split(size))
        return torch.cat([part.flatten(4).median(4).values for part in windows])

    def __str__(self) -> str:
        return f"without-texture:{self.side}"


def _median_by_counting(framed: Images, side: int) -> Tensor:
    """The median of every square of `side` pixels, of values rounded to bytes.

    It is the number of levels that fewer than half of the square's values reach no further than. Sums over all
    squares take two running sums a level, however large they are; all their values would not fit into memory.
    """
    levels = (framed * 255).round_().to(torch.uint8)
    half, low, high = side * side // 2 + 1, int(levels.min()), int(levels.max())
    height, width = (size - side + 1 for size in levels.shape[2:])
    median = torch.full((*levels.shape[:2], height, width), low, dtype=torch.int32, device=levels.device)
    for level in range(low, high):
        down = functional.pad((levels <= level).cumsum(2, dtype=torch.int32), (0, 0, 1, 0))
        across = functional.pad((down[:, :, side:] - down[:, :, :-side]).cumsum(3, dtype=torch.int32), (1, 0))
        median += (across[:, :, :, side:] - across[:, :, :, :-side]) < half
    return median.float().div_(255)


__all__ = ["OnlyColour", "Shuffled", "WithoutColour", "WithoutTexture"]
