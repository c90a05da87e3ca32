"""Noise: of the sensor (Gaussian, speckle), of broken pixels (impulse), and of one band of frequencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from notbugs.errors import require_positive
from notbugs.numerals import shortest
from notbugs.shifts.draws import Draws, draws_of
from notbugs.shifts.fourier import Band
from notbugs.shifts.severity import Parameters
from notbugs.shifts.shift import Shift
from notbugs.tensors import Images


def gaussian_noise(images: Images, given: Parameters, draws: Draws) -> Images:
    """The same spread everywhere."""
    (spread,) = given
    return torch.add(images, draws.normal(*images.shape[1:]), alpha=spread)


def speckle_noise(images: Images, given: Parameters, draws: Draws) -> Images:
    """A spread in proportion to the brightness."""
    (spread,) = given
    return torch.addcmul(images, images, draws.normal(*images.shape[1:]), value=spread)


def impulse_noise(images: Images, given: Parameters, draws: Draws) -> Images:
    """A share of all values is black or white, as often the one as the other."""
    (share,) = given
    drawn = draws.coarse(*images.shape[1:])
    white = drawn.clone().lt_(share / 2)
    kept = drawn.ge_(share)
    return kept.mul_(images).add_(white)


@final
@dataclass(frozen=True)
class BandNoise(Shift):
    """Gaussian noise of one band of frequencies, of the L2 length `norm` in each image, all channels together.

    The noise of Ford et al. 2019 and of Gilmer & Hendrycks 2019 (arXiv 1901.10513): equal energy, other frequencies.
    The box [0, 1] cuts off what leaves it. An image too small for the band stays as it is.

    >>> from notbugs.shifts.fourier import parse_band
    >>> noisy = BandNoise(parse_band("low:4"), 2.0)(torch.full((1, 3, 32, 32), 0.5))
    >>> round(float((noisy - 0.5).norm()), 4)
    2.0
    """

    band: Band
    norm: float

    def __post_init__(self) -> None:
        require_positive("the norm of noise", self.norm)

    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        places = range(len(images)) if indices is None else indices
        draws = draws_of(places, "band noise", seed=seed, device=images.device)
        noise = self.band.keep(draws.normal(*images.shape[1:]))
        length = torch.linalg.vector_norm(noise.flatten(1), dim=1)
        scale = (self.norm / length.clamp_min(1e-12)) * (length > 1e-6)
        return (images + noise * scale.view(-1, 1, 1, 1)).clamp_(0, 1)

    def __str__(self) -> str:
        return f"noise:{shortest(self.norm)}@{self.band}"


__all__ = ["BandNoise", "gaussian_noise", "impulse_noise", "speckle_noise"]
