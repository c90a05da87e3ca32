"""Residual networks (He et al. 2016, arXiv:1512.03385), with torchvision's names inside the body.

A torchvision state dict fits: its `fc` is our `head`, the rest goes into `body` (images above 64 pixels;
smaller ones have a 3x3 stem without pooling, as is usual for CIFAR). The bottleneck has its stride in the
3x3 convolution ("v1.5").
The last BatchNorm of a branch starts at scale 1, not 0.
"""

from collections.abc import Sequence
from typing import no_type_check

from torch import Tensor, nn

from notbugs.models.convolution import SMALL_IMAGE
from notbugs.tensors import Embeddings


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, inputs: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)
        self.relu2 = nn.ReLU()

    @no_type_check
    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, width, height / stride, width / stride), >= 0."""
        residual = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(inputs)))))
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        return self.relu2(residual + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution; four times as wide outside as inside."""

    expansion = 4

    def __init__(self, inputs: int, width: int, *, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)
        self.relu3 = nn.ReLU()

    @no_type_check
    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, 4 width, height / stride, width / stride), >= 0."""
        residual = self.relu1(self.bn1(self.conv1(inputs)))
        residual = self.relu2(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        return self.relu3(residual + shortcut)


class ResNet(nn.Module):
    """Four groups of blocks, each twice as wide as the one before, mean over positions. 512 or 2048 features."""

    def __init__(
        self,
        channels: int,
        *,
        image_size: int,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: Sequence[int],
        width: int = 64,
    ) -> None:
        super().__init__()
        small = image_size <= SMALL_IMAGE
        kernel, stride = (3, 1) if small else (7, 2)
        self.conv1 = nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        inputs = width
        layers = []
        for times, count, stride in zip((1, 2, 4, 8), blocks, (1, 2, 2, 2), strict=True):
            group: list[nn.Module] = []
            for index in range(count):
                group.append(block(inputs, times * width, stride=stride if index == 0 else 1))
                inputs = times * width * block.expansion
            layers.append(nn.Sequential(*group))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = inputs

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Pooled features after the last ReLU: (batch, out_features)."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        return self.flatten(self.avgpool(maps))


__all__ = ["BasicBlock", "Bottleneck", "ResNet"]
