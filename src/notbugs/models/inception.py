"""The small Inception for CIFAR of Zhang et al. 2017 (arXiv:1611.03530, figure 3), with BatchNorm."""

from typing import Any, no_type_check

import torch
from torch import Tensor, nn

from notbugs.models.convolution import conv_bn_relu, stem
from notbugs.tensors import Embeddings

WIDTH = 96
"""Maps of the stem; all other widths keep their proportion to it."""


class Concatenation(nn.Module):
    """Two views of the same maps, side by side."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    @no_type_check
    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels of both, height, width)."""
        return torch.cat((self.first(inputs), self.second(inputs)), 1)


def mixed(inputs: int, pointwise: int, spatial: int) -> Concatenation:
    """An Inception module: 1x1 and 3x3 convolutions of the same maps."""
    return Concatenation(conv_bn_relu(inputs, pointwise, kernel=1), conv_bn_relu(inputs, spatial))


def reduction(inputs: int, spatial: int) -> Concatenation:
    """Half the resolution: a 3x3 convolution beside a 3x3 maximum, both of stride 2."""
    return Concatenation(conv_bn_relu(inputs, spatial, stride=2), nn.MaxPool2d(3, stride=2, padding=1))


MODULES: tuple[tuple[Any, ...], ...] = (
    (mixed, 32, 32),
    (mixed, 32, 48),
    (reduction, 80),
    (mixed, 112, 48),
    (mixed, 96, 64),
    (mixed, 80, 80),
    (mixed, 48, 96),
    (reduction, 96),
    (mixed, 176, 160),
    (mixed, 176, 160),
)
"""What follows the stem, with its maps at the usual width."""


class Inception(nn.Module):
    """Eight Inception modules with two reductions, then the mean over positions. 336 features at width 96."""

    def __init__(self, channels: int, *, image_size: int, width: int = WIDTH) -> None:
        super().__init__()
        self.stem = stem(channels, width, image_size=image_size)
        maps: list[nn.Module] = []
        inputs = width
        for make, *usual in MODULES:
            widths = [max(1, one * width // WIDTH) for one in usual]
            maps.append(make(inputs, *widths))
            inputs = sum(widths) + (inputs if make is reduction else 0)
        self.stages = nn.Sequential(*maps)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = inputs

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Pooled features, >= 0: (batch, out_features)."""
        return self.flatten(self.pool(self.stages(self.stem(images))))


__all__ = ["Inception"]
