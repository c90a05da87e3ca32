"""Images that look a little like photographs: smooth, with edges, of whole numbers of 255."""

import torch
from torch import Tensor
from torch.nn import functional

from notbugs.seeds import generator


def pictures(count: int = 4, channels: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    draw = generator(seed, "pictures")
    coarse = torch.rand(count, channels, 5, 6, generator=draw)
    smooth = functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)
    y, x = torch.arange(height)[:, None] / height, torch.arange(width)[None, :] / width
    edges = 0.3 * ((x + y) % 0.5 > 0.25) + 0.05 * torch.rand(count, channels, height, width, generator=draw)
    return (smooth * 0.7 + edges).clamp_(0, 1).mul_(255).round_().div_(255)
