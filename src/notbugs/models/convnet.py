"""Four convolutions: the small net of the default study, a few million multiply-adds an image."""

from collections.abc import Sequence
from typing import no_type_check

from torch import Tensor, nn

from notbugs.models.convolution import conv_bn_relu
from notbugs.tensors import Embeddings

WIDTHS = (32, 64, 128, 128)
"""Output channels of the four convolutions; multiples of 16 suit a CPU's bfloat16 kernels."""

STRIDES = (2, 2, 2, 1)
"""Early strides keep it cheap; the first 3x3 filters still see every pixel, so fine patterns are not lost."""


class ConvNet(nn.Module):
    """3x3 convolutions with BatchNorm and ReLU, then the mean over positions. Features: the last width."""

    def __init__(
        self, channels: int, *, widths: Sequence[int] = WIDTHS, strides: Sequence[int] = STRIDES
    ) -> None:
        super().__init__()
        inputs = (channels, *widths[:-1])
        self.layers = nn.Sequential(
            *(conv_bn_relu(i, o, stride=stride) for i, o, stride in zip(inputs, widths, strides, strict=True))
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.out_features = widths[-1]

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Features, >= 0: (batch, out_features)."""
        return self.flatten(self.pool(self.layers(images)))


__all__ = ["STRIDES", "WIDTHS", "ConvNet"]
