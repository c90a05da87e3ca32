"""DenseNet-BC, 100 layers, growth 12 (Huang et al. 2017, arXiv:1608.06993): the small one for CIFAR."""

from collections import OrderedDict
from typing import no_type_check

import torch
from torch import Tensor, nn

from notbugs.models.convolution import SMALL_IMAGE, stem
from notbugs.tensors import Embeddings


class DenseLayer(nn.Module):
    """BN-ReLU-1x1, BN-ReLU-3x3: `growth` new maps, appended to all earlier ones."""

    def __init__(self, inputs: int, *, growth: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            OrderedDict(
                norm1=nn.BatchNorm2d(inputs),
                relu1=nn.ReLU(),
                conv1=nn.Conv2d(inputs, 4 * growth, 1, bias=False),
                norm2=nn.BatchNorm2d(4 * growth),
                relu2=nn.ReLU(),
                conv2=nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
            )
        )

    @no_type_check
    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs + growth, height, width)."""
        return torch.cat((inputs, self.branch(inputs)), 1)


def transition(inputs: int) -> nn.Sequential:
    """Half the maps, half the resolution."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(inputs),
            relu=nn.ReLU(),
            conv=nn.Conv2d(inputs, inputs // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(nn.Module):
    """Three dense blocks of 16 layers, transitions between them, mean over positions. 342 features."""

    def __init__(self, channels: int, *, image_size: int, growth: int = 12, layers: int = 16) -> None:
        super().__init__()
        width = 2 * growth
        # At full resolution without BatchNorm and ReLU: every dense layer begins with its own.
        plain = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.stem = plain if image_size <= SMALL_IMAGE else stem(channels, width, image_size=image_size)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        for block in (1, 2, 3):
            dense = [DenseLayer(width + index * growth, growth=growth) for index in range(layers)]
            stages[f"block{block}"] = nn.Sequential(*dense)
            width += layers * growth
            if block < 3:
                stages[f"transition{block}"] = transition(width)
                width //= 2
        self.stages = nn.Sequential(stages)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = width

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Pooled features after the last ReLU: (batch, out_features)."""
        return self.flatten(self.pool(self.relu(self.norm(self.stages(self.stem(images))))))


__all__ = ["DenseNet"]
