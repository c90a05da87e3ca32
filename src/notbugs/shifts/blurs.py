"""Blurs: Gaussian, out of focus, behind rippled glass, in motion."""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float, Int32
from torch import Tensor
from torch.nn import functional

from notbugs.shifts.draws import Draws
from notbugs.shifts.resizing import along_both, framed, gaussian_axis
from notbugs.shifts.severity import Parameters
from notbugs.tensors import Images


def gaussian_blur(images: Images, given: Parameters, draws: Draws) -> Images:
    (sigma,) = given
    return blurred(images, sigma)


def blurred(images: Images, sigma: float) -> Images:
    height, width = images.shape[2:]
    return along_both(
        images,
        gaussian_axis(height, sigma, border="nearest"),
        gaussian_axis(width, sigma, border="nearest"),
    )


def defocus_blur(images: Images, given: Parameters, draws: Draws) -> Images:
    """Every point becomes a disk."""
    kernel = _disk(*given)
    height, width = images.shape[2:]
    reach = len(kernel) // 2
    padded = framed(images, reach)
    if reach <= 2:
        rows = padded.flatten(0, 1)[:, None]
        return functional.conv2d(rows, kernel.to(images)[None, None]).view_as(images)
    size = _quick(height + 2 * reach), _quick(width + 2 * reach)
    spectrum = torch.fft.rfft2(padded, s=size).mul_(_spectrum(*given, *size).to(images.device))
    whole = torch.fft.irfft2(spectrum, s=size)
    return whole[..., 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width].contiguous()


def _quick(size: int) -> int:
    """The next size that a fast Fourier transform likes: 2^a, 3 * 2^a or 15 * 2^a."""
    return min(odd << max(math.ceil(math.log2(size / odd)), 0) for odd in (1, 3, 15))


@cache
def _spectrum(radius: float, edge: float, height: int, width: int) -> Complex[Tensor, "height half"]:
    return torch.fft.rfft2(_disk(radius, edge), s=(height, width))


@cache
def _disk(radius: float, edge: float) -> Float[Tensor, "side side"]:
    """A disk of sum 1 with its edge blurred by a Gaussian of `edge` pixels, without the zeros around it."""
    reach, wide = (8, 1) if radius <= 8 else (int(radius), 2)
    line = torch.arange(-reach, reach + 1, dtype=torch.float64)
    disk = (line[:, None] ** 2 + line[None, :] ** 2 <= radius**2).double()
    around = torch.arange(-wide, wide + 1, dtype=torch.float64)
    soft = torch.exp(-0.5 * (around / edge).square())
    soft = soft / soft.sum()
    framed = functional.pad((disk / disk.sum())[None, None], (wide,) * 4, mode="reflect")
    kernel = functional.conv2d(
        framed, soft[:, None] * soft[None, :] * torch.ones(1, 1, 1, 1, dtype=torch.float64)
    )
    needed = min(reach, int(radius) + wide)
    inside = slice(reach - needed, reach + needed + 1)
    return kernel[0, 0, inside, inside].float()


def glass_blur(images: Images, given: Parameters, draws: Draws) -> Images:
    """Blurred, its pixels mixed up with their neighbours some times over, and blurred again."""
    sigma, reach, times = given[0], round(given[1]), round(given[2])
    count, channels, height, width = images.shape
    mixed = blurred(images, sigma).mul_(255).floor_().div_(255)
    inner = (height - 2 * reach, width - 2 * reach)
    if min(inner) > 0:
        source = _sources(draws, reach, inner, height, width)
        for _ in range(times - 1):
            source = source.index_select(0, _sources(draws, reach, inner, height, width))
        # `source` counts pixels through all images; now values, through all their channels.
        planes = torch.arange(count * channels, dtype=torch.int32, device=images.device)
        first = (planes - planes.div(channels, rounding_mode="floor")) * (height * width)
        values = source.view(count, 1, -1) + first.view(count, channels, 1)
        mixed = mixed.flatten().index_select(0, values.flatten()).view_as(images)
    return blurred(mixed, sigma)


def _sources(
    draws: Draws, reach: int, inner: tuple[int, int], height: int, width: int
) -> Int32[Tensor, " count"]:
    """Which pixel each pixel shows in the end, counted through all images.

    One after the other, from the bottom right, each pixel takes the colour that a random neighbour has by then.
    (The authors mean to swap the two, but NumPy's views make it a copy: CIFAR-10-C and ImageNet-C are made so.) A
    neighbour further on in that order has taken its own by then: chains of them are followed by doubling.
    """
    side = torch.arange(-reach, reach, dtype=torch.int32, device=draws.device)
    steps = (side[:, None] * width + side[None, :]).flatten()
    chosen = draws.integers(0, len(steps), *inner)
    count = len(chosen)
    pixels = torch.arange(count * height * width, dtype=torch.int32, device=draws.device)
    neighbour = pixels.clone()
    rows, columns = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    taken = neighbour.view(count, height, width)[:, rows, columns]
    fitting = chosen[:, : taken.shape[1], : taken.shape[2]]
    taken += steps.index_select(0, fitting.flatten()).view_as(fitting)
    if reach == 1:  # no step leads further on
        return neighbour
    follow = torch.maximum(neighbour, pixels)  # in memory further on: that one has been dealt with before
    while True:
        further = follow.index_select(0, follow)
        if torch.equal(further, follow):
            return neighbour.index_select(0, follow)
        follow = further


def motion_blur(images: Images, given: Parameters, draws: Draws) -> Images:
    """Smeared in a direction within 45 degrees of the horizontal.

    The authors have ImageMagick do it; this is what the package imagecorruptions does in its stead.
    """
    return smeared(images, *given, angles=draws.uniform(low=-45.0, high=45.0))


def smeared(images: Images, radius: float, sigma: float, *, angles: Tensor) -> Images:
    """Each image drawn out along its angle (degrees), by half a Gaussian of so many pixels."""
    channels, height, width = images.shape[1:]
    taps = 2 * round(radius) + 1
    weights = torch.exp(-0.5 * (torch.arange(taps, dtype=torch.float64) / sigma).square())
    padded = functional.pad(images, (taps,) * 4, mode="replicate")
    (own, plane, line, _) = padded.stride()
    drawn = torch.zeros_like(images)
    for number, (image, angle) in enumerate(zip(drawn, angles.tolist(), strict=True)):
        down, across = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        shares: dict[tuple[int, int], float] = {}
        for step, weight in enumerate((weights / weights.sum()).tolist()):
            y, x = math.ceil(step * down - 0.5), math.ceil(step * across - 0.5)
            if abs(y) >= height or abs(x) >= width:
                break
            shares[y, x] = shares.get((y, x), 0.0) + weight
        for (y, x), share in shares.items():
            begin = number * own + (taps + y) * line + taps + x
            moved = padded.as_strided((channels, height, width), (plane, line, 1), begin)
            image.add_(moved, alpha=share)
    return drawn


__all__ = ["blurred", "defocus_blur", "gaussian_blur", "glass_blur", "motion_blur", "smeared"]
