"""What drawings climb, beside the objectives of attacks: one feature as high as it goes, or at a value."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

from jaxtyping import Int
from torch import Tensor

from notbugs.tensors import Images, PerExample

Units = Int[Tensor, " units"]
"""The feature of each image that is meant: a column of `embed`."""


@final
@dataclass(frozen=True)
class FeatureHeight:
    """The value of one feature per image (Engstrom et al. 2019, section 4.2).

    >>> import torch
    >>> images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> FeatureHeight(lambda shown: shown.mean((2, 3)), torch.tensor([0, 2]))(images).shape
    torch.Size([2])
    """

    embed: Callable[[Tensor], Tensor]
    units: Units

    def __call__(self, images: Images) -> PerExample:
        return self.embed(images).float().gather(1, self.units[:, None])[:, 0]

    def take(self, rows: Tensor) -> "FeatureHeight":
        return replace(self, units=self.units[rows])


@final
@dataclass(frozen=True)
class FeatureDial:
    """Minus how far one feature per image lies from the value that it is turned to."""

    embed: Callable[[Tensor], Tensor]
    units: Units
    values: PerExample

    def __call__(self, images: Images) -> PerExample:
        return -(FeatureHeight(self.embed, self.units)(images) - self.values).abs()

    def take(self, rows: Tensor) -> "FeatureDial":
        return replace(self, units=self.units[rows], values=self.values[rows])


__all__ = ["FeatureDial", "FeatureHeight", "Units"]
