"""What several networks share: a normalised convolution, and the stem for small and large images."""

from collections import OrderedDict

from torch import nn

SMALL_IMAGE = 64
"""Images up to this many pixels a side keep their resolution in the stem; others are reduced fourfold."""


def conv_bn_relu(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, BatchNorm, ReLU; an odd kernel keeps the size at stride 1."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
            bn=nn.BatchNorm2d(outputs),
            relu=nn.ReLU(),
        )
    )


def stem(channels: int, outputs: int, *, image_size: int) -> nn.Sequential:
    """3x3 at full resolution up to `SMALL_IMAGE` pixels, else 7x7 and a maximum, both of stride 2."""
    if image_size <= SMALL_IMAGE:
        return conv_bn_relu(channels, outputs)
    layers = conv_bn_relu(channels, outputs, kernel=7, stride=2)
    layers.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
    return layers


__all__ = ["SMALL_IMAGE", "conv_bn_relu", "stem"]
