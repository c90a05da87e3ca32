"""Weather: fog, frost on the pane, snow."""

from functools import cache
from importlib import resources

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional

from notbugs.shifts.blurs import smeared
from notbugs.shifts.draws import Draws
from notbugs.shifts.resizing import enlarged
from notbugs.shifts.severity import Parameters
from notbugs.tensors import Images

LUMA = (0.299, 0.587, 0.114)
"""How much red, green and blue make grey (ITU-R BT.601)."""

PHOTOGRAPHS = ("frost1.webp", "frost2.webp", "frost2.webp", "frost4.webp", "frost5.webp")
"""Those that the authors' code draws from: one of them lies there twice, and a sixth is never drawn."""


def fog(images: Images, given: Parameters, draws: Draws) -> Images:
    """A plasma fractal on top; the whole scaled back to its brightest value."""
    thickness, decay = given
    height, width = images.shape[2:]
    cloud = plasma(1 << (max(height, width) - 1).bit_length(), decay, draws)[:, None, :height, :width]
    brightest = images.amax((1, 2, 3), keepdim=True)
    return torch.add(images, cloud, alpha=thickness).mul_(brightest / (brightest + thickness))


def plasma(side: int, decay: float, draws: Draws) -> Float[Tensor, "images side side"]:
    """Height maps from 0 to 1 by the diamond-square algorithm on a torus; `side` is a power of two.

    Every level puts a point in the middle of its four neighbours, off their mean by a uniform draw; the range of the
    draws falls by decay^2 a level.
    """
    count = len(draws.generators)
    heights = torch.zeros(count, side, side, device=draws.device)
    step, reach = side, 100.0
    while step >= 2:
        half = step // 2
        wobble = draws.coarse(3, side // step, side // step, low=-1.0, high=1.0).mul_(reach * reach)
        corners = heights[:, ::step, ::step]
        squares = corners + corners.roll(-1, 1)
        squares = squares + squares.roll(-1, 2)
        centers = squares / 4 + wobble[:, 0]
        heights[:, half::step, half::step] = centers
        right = corners + corners.roll(-1, 2) + centers + centers.roll(1, 1)
        heights[:, ::step, half::step] = right / 4 + wobble[:, 1]
        below = corners + corners.roll(-1, 1) + centers + centers.roll(1, 2)
        heights[:, half::step, ::step] = below / 4 + wobble[:, 2]
        step, reach = half, reach / decay
    heights -= heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True).clamp_min(1e-12)


def frost(images: Images, given: Parameters, draws: Draws) -> Images:
    """A piece of a photograph of frost on top: of ImageNet-C at the photograph's own size, as its authors have it.

    (The package imagecorruptions enlarges photographs by a tenth.)
    """
    kept, thickness, scale = given
    height, width = images.shape[2:]
    which = draws.integers(0, len(PHOTOGRAPHS)).tolist()
    where = draws.uniform(2).tolist()
    pieces = []
    for number, (down, across) in zip(which, where, strict=True):
        photograph = _photograph(PHOTOGRAPHS[number], height, width, scale)
        top = int(down * (photograph.shape[1] - height))
        left = int(across * (photograph.shape[2] - width))
        pieces.append(photograph[:, top : top + height, left : left + width])
    ice = torch.stack(pieces).to(images)
    if images.shape[1] == 1:
        ice = grey(ice)
    return kept * images + thickness * ice


def snow(images: Images, given: Parameters, draws: Draws) -> Images:
    """Flakes driven across a whitened image."""
    mean, spread, size, least, length, sigma, kept = given
    height, width = images.shape[2:]
    flakes = draws.normal(1, height, width).mul_(spread).add_(mean)
    flakes = enlarged(flakes, size)
    flakes = flakes.masked_fill(flakes < least, 0).clamp_(0, 1)
    flakes = smeared(flakes, length, sigma, angles=draws.uniform(low=-135.0, high=-45.0))
    flakes = (flakes * 255).round_().div_(255)
    white = torch.maximum(images, grey(images) * 1.5 + 0.5)
    return kept * images + (1 - kept) * white + flakes + flakes.rot90(2, (2, 3))


def grey(images: Images) -> Float[Tensor, "batch 1 height width"]:
    """One channel of luma; what has one channel is grey already."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device)
    return (images * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)


@cache
def _photograph(name: str, height: int, width: int, scale: float) -> Float[Tensor, "3 tall wide"]:
    """A photograph of frost, scaled: where it would not cover the images, to a tenth more than they need."""
    with resources.files("notbugs.shifts").joinpath("frost", name).open("rb") as file:
        pixels = np.asarray(Image.open(file).convert("RGB"))
    whole = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    least = max(height / whole.shape[2], width / whole.shape[3])
    if scale <= least:
        scale = 1.1 * least
    if scale == 1:
        return whole[0]
    # The factor itself, not the quotient of the sizes: the authors' fifth then falls on centres of pixels.
    mode = "bilinear" if scale < 1 else "bicubic"
    scaled = functional.interpolate(whole, scale_factor=scale, mode=mode, align_corners=False)
    return scaled.clamp_(0, 1)[0]


__all__ = ["fog", "frost", "grey", "plasma", "snow"]
