"""The nine-layer residual net of fast CIFAR-10 training (Page, "How to train your ResNet", 2018)."""

from typing import no_type_check

from torch import Tensor, nn

from notbugs.models.convolution import conv_bn_relu
from notbugs.tensors import Embeddings


class Residual(nn.Module):
    """inputs + two convolutions of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(width, width)
        self.conv2 = conv_bn_relu(width, width)

    @no_type_check
    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape, >= 0 where the inputs are."""
        return inputs + self.conv2(self.conv1(inputs))


class ResNet9(nn.Module):
    """prep, layer1 + residual, layer2, layer3 + residual, then the maximum over positions. 8 `width` features."""

    def __init__(self, channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.prep = conv_bn_relu(channels, width)
        self.layer1 = nn.Sequential(conv_bn_relu(width, 2 * width), nn.MaxPool2d(2), Residual(2 * width))
        self.layer2 = nn.Sequential(conv_bn_relu(2 * width, 4 * width), nn.MaxPool2d(2))
        self.layer3 = nn.Sequential(conv_bn_relu(4 * width, 8 * width), nn.MaxPool2d(2), Residual(8 * width))
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = 8 * width

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Pooled features, >= 0: (batch, out_features)."""
        return self.flatten(self.pool(self.layer3(self.layer2(self.layer1(self.prep(images))))))


__all__ = ["ResNet9"]
