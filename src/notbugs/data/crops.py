"""Stronger changes of whole batches, for training without labels: crops brought back to size, and colours."""

import torch
from torch import Tensor
from torch.nn import functional

from notbugs.seeds import Rows
from notbugs.tensors import Images

ASPECT = 4 / 3
GREY = 0.2
"""How many of the images lose their colours."""


def resized_crops(
    images: Images, *, least: float, generator: torch.Generator, rows: Rows | None = None
) -> Images:
    """Of each image a crop of `least` to all of its area, sides up to 4 : 3 where that fits, stretched back to the
    image's size and kept in its memory format.
    """
    rows, device = rows or Rows.whole(len(images)), images.device
    area = least + (1 - least) * _uniform(rows, generator, device)
    # Beyond 1 / area a side would be longer than the image's.
    widest = (1 / area).clamp(max=ASPECT).log()
    aspect = torch.exp(widest * (2 * _uniform(rows, generator, device) - 1))
    width, height = (area * aspect).sqrt(), (area / aspect).sqrt()
    across = (1 - width) * (2 * _uniform(rows, generator, device) - 1)
    down = (1 - height) * (2 * _uniform(rows, generator, device) - 1)
    zero = torch.zeros_like(area)
    maps = torch.stack([torch.stack([width, zero, across], 1), torch.stack([zero, height, down], 1)], 1)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    crops = functional.grid_sample(images, grid.to(images), padding_mode="reflection", align_corners=False)
    return crops.clamp(0, 1).contiguous(memory_format=format_of(images))


def coloured(
    images: Images, *, strength: float, generator: torch.Generator, rows: Rows | None = None
) -> Images:
    """Brightness, contrast and saturation of each image times a factor of 1 +- `strength`; a fifth lose all colour.

    (Hue, which SimCLR turns as well, is left as it is.)
    """
    rows, device = rows or Rows.whole(len(images)), images.device

    def factor() -> Tensor:
        return (1 + strength * (2 * _uniform(rows, generator, device) - 1)).view(-1, 1, 1, 1)

    images = images * factor()
    middle = images.mean((1, 2, 3), keepdim=True)
    images = middle + factor() * (images - middle)
    grey = images.mean(1, keepdim=True)
    keep = (_uniform(rows, generator, device) >= GREY).view(-1, 1, 1, 1)
    return (grey + factor() * keep * (images - grey)).clamp(0, 1)


def format_of(images: Images) -> torch.memory_format:
    """channels_last where the images lie so, and not also the other way."""
    is_last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return torch.channels_last if is_last else torch.contiguous_format


def _uniform(rows: Rows, generator: torch.Generator, device: torch.device) -> Tensor:
    return rows.share(torch.rand(rows.of, generator=generator, device=generator.device)).to(device)


__all__ = ["coloured", "resized_crops"]
