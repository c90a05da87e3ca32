"""Wide residual networks WRN-D-K (Zagoruyko & Komodakis 2016, arXiv:1605.07146), no dropout."""

from typing import no_type_check

from torch import Tensor, nn

from notbugs.errors import NotbugsError
from notbugs.tensors import Embeddings


class WideBlock(nn.Module):
    """BN-ReLU-conv twice, plus the inputs, or plus a 1x1 projection of their activation to a new shape."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    @no_type_check
    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, outputs, height / stride, width / stride)."""
        activated = self.relu1(self.bn1(inputs))
        residual = self.conv2(self.relu2(self.bn2(self.conv1(activated))))
        if self.shortcut is None:
            return inputs + residual
        return self.shortcut(activated) + residual


class WideResNet(nn.Module):
    """Depth D = 6n + 4 (n blocks in each of three groups), widths 16K, 32K, 64K. Features: 64K."""

    def __init__(self, channels: int, *, depth: int, width: int) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6 or width < 1:
            raise NotbugsError(
                f"wrn-{depth}-{width}: the depth must be 10, 16, 22, 28, ... (6n + 4), the width 1 or more"
            )
        blocks = (depth - 4) // 6
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        inputs = 16
        groups = []
        for outputs, stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
            group = [WideBlock(inputs, outputs, stride=stride)]
            group += [WideBlock(outputs, outputs, stride=1) for _ in range(blocks - 1)]
            groups.append(nn.Sequential(*group))
            inputs = outputs
        self.group1, self.group2, self.group3 = groups
        self.bn = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = inputs

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Pooled features after the last ReLU: (batch, 64K)."""
        maps = self.group3(self.group2(self.group1(self.conv1(images))))
        return self.flatten(self.pool(self.relu(self.bn(maps))))


__all__ = ["WideResNet"]
