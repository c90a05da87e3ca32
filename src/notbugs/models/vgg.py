"""VGG-16 (Simonyan & Zisserman 2015, arXiv:1409.1556) with BatchNorm and one linear layer."""

from typing import no_type_check

from torch import Tensor, nn

from notbugs.models.convolution import conv_bn_relu
from notbugs.tensors import Embeddings

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""(width, convolutions) between two halvings of the resolution."""


class VGG16(nn.Module):
    """Thirteen 3x3 convolutions, five maxima, mean over positions. 512 features; from 32 pixels up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels
        for width, count in STAGES:
            for _ in range(count):
                layers.append(conv_bn_relu(inputs, width))
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = inputs

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Pooled features, >= 0: (batch, 512)."""
        return self.flatten(self.pool(self.features(images)))


__all__ = ["VGG16"]
