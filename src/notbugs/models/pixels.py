"""The pixels as they are: with the head a linear classifier of images."""

from typing import no_type_check

from torch import Tensor, nn

from notbugs.tensors import Embeddings


class Pixels(nn.Module):
    """No layer at all. Features: channels x height x width."""

    def __init__(self, channels: int, *, image_size: int) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.out_features = channels * image_size * image_size

    @no_type_check
    def forward(self, images: Tensor) -> Embeddings:
        """Normalised pixels, row by row: (batch, out_features)."""
        return self.flatten(images)


__all__ = ["Pixels"]
