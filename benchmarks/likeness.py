"""How alike two ways of corrupting the same images are: pixel by pixel, or in what does not depend on the draws."""

from dataclasses import dataclass, fields
from typing import Any

import torch


@dataclass(frozen=True)
class Moments:
    """Mean, standard deviation and power by radius in frequency: (seeds, images, 1 or radii)."""

    mean: torch.Tensor
    deviation: torch.Tensor
    power: torch.Tensor


def moments(images: torch.Tensor) -> Moments:
    """Of (n, channels, height, width), one seed."""
    height, width = images.shape[2:]
    spectrum = torch.fft.fft2(images - images.mean((2, 3), keepdim=True)).abs().square().mean(1)
    rows, columns = torch.fft.fftfreq(height, 1 / height), torch.fft.fftfreq(width, 1 / width)
    radius = torch.hypot(rows[:, None], columns[None, :]).round().long().flatten()
    last = min(height, width) // 2
    power = torch.zeros(len(images), last + 1).index_add_(1, radius.clamp_(max=last), spectrum.flatten(1))
    flat = images.flatten(1)
    return Moments(flat.mean(1)[None, :, None], flat.std(1)[None, :, None], power[None, :, 1:last])


def joined(runs: list[Moments]) -> Moments:
    """The same images, several seeds."""
    return Moments(*(torch.cat([getattr(run, field.name) for run in runs]) for field in fields(Moments)))


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> dict[str, float]:
    """In units of 1/255, over all images; and of the image that differs most."""
    apart = (ours - theirs).abs().flatten(1).mean(1) * 255
    return {"mean_difference": float(apart.mean()), "largest_difference": float(apart.max())}


def deviations(ours: Moments, theirs: Moments) -> dict[str, Any]:
    """Ours over theirs, less 1, with the standard error that the draws leave (None with a single seed).

    The spectrum in octaves: the more waves a band has, the less its power owes to chance.
    """
    bands, first = {}, 1
    radii = ours.power.shape[2]
    while first <= radii:
        octave = slice(first - 1, 2 * first - 1)
        sums = [side.power[..., octave].sum(2, keepdim=True) for side in (ours, theirs)]
        bands[f"{first}-{min(2 * first - 1, radii)}"] = _ratio(*sums)
        first *= 2
    mean, deviation = _ratio(ours.mean, theirs.mean), _ratio(ours.deviation, theirs.deviation)
    return {"mean": mean, "deviation": deviation, "spectrum": bands}


def _ratio(ours: torch.Tensor, theirs: torch.Tensor) -> dict[str, float | None]:
    base = theirs.mean()
    told: dict[str, float | None] = {"ratio_less_1": float(ours.mean() / base - 1), "error": None}
    if min(len(ours), len(theirs)) > 1:
        told["error"] = float((_chance(ours) + _chance(theirs)).sqrt() / base)
    return told


def _chance(values: torch.Tensor) -> torch.Tensor:
    """The variance of the mean of all: what varies from seed to seed is chance, what varies between images is not."""
    return values.var(0).mean() / values.numel()
