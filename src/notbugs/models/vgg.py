"""VGG-16 (Simonyan & Zisserman 2015, arXiv:1409.1556) with BatchNorm and one linear layer."""

from typing import no_type_check

from torch import Tensor, nn

from notbugs.models.convolution import conv_bn_relu
from notbugs.tensors import Embeddings

WIDTH = 64
STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
"""(times the first width, convolutions) between two halvings of the resolution."""


class VGG16(nn.Module):
    """Thirteen 3x3 convolutions, five maxima, mean over positions. 8 `width` features; from 32 pixels up."""

    def __init__(self, channels: int, *, width: int = WIDTH) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels
        for times, count in STAGES:
            for _ in range(count):
                layers.append(conv_bn_relu(inputs, times * width))
                inputs = times * width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = inputs

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Pooled features, >= 0: (batch, out_features)."""
        return self.flatten(self.pool(self.features(images)))


__all__ = ["VGG16"]
