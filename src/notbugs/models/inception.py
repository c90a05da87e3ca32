"""The small Inception for CIFAR of Zhang et al. 2017 (arXiv:1611.03530, figure 3), with BatchNorm."""

from typing import no_type_check

import torch
from torch import Tensor, nn

from notbugs.models.convolution import conv_bn_relu, stem
from notbugs.tensors import Embeddings


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


class Inception(nn.Module):
    """Eight Inception modules with two reductions, then the mean over positions. 336 features."""

    def __init__(self, channels: int, *, image_size: int) -> None:
        super().__init__()
        self.stem = stem(channels, 96, image_size=image_size)
        self.stages = nn.Sequential(
            mixed(96, 32, 32),
            mixed(64, 32, 48),
            reduction(80, 80),
            mixed(160, 112, 48),
            mixed(160, 96, 64),
            mixed(160, 80, 80),
            mixed(160, 48, 96),
            reduction(144, 96),
            mixed(240, 176, 160),
            mixed(336, 176, 160),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = 336

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Pooled features, >= 0: (batch, 336)."""
        return self.flatten(self.pool(self.stages(self.stem(images))))


__all__ = ["Inception"]
