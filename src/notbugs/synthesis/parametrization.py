"""Steps over frequencies instead of pixels: coarse patterns first, as photographs have them."""

from dataclasses import dataclass
from typing import final

import torch

from notbugs.seeds import Rows
from notbugs.tensors import Images, PerExample
from notbugs.threats import Threat


@final
@dataclass(frozen=True)
class OverFrequencies(Threat):
    """A threat whose steps are those of an ascent over Fourier coefficients scaled by 1/f (Olah et al. 2017,
    "Feature visualization").

    A change of the coordinates z of an image x = F z moves x by F F^T g where the gradient by x is g: the same as
    steps over pixels along gradients of which the frequency f counts 1/f^2.

    >>> from notbugs.threats import L2
    >>> step = OverFrequencies(L2(1.0)).ascent_direction(torch.randn(1, 3, 8, 8))
    >>> round(step.norm().item(), 4)
    1.0
    """

    threat: Threat

    @property
    def eps(self) -> float:  # type: ignore[override]
        return self.threat.eps

    def size(self, images: Images, centers: Images) -> PerExample:
        return self.threat.size(images, centers)

    def project(self, images: Images, centers: Images) -> Images:
        return self.threat.project(images, centers)

    def ascent_direction(self, gradients: Images, images: Images | None = None) -> Images:
        height, width = gradients.shape[2:]
        rows = torch.fft.fftfreq(height, 1 / height, device=gradients.device)
        columns = torch.fft.rfftfreq(width, 1 / width, device=gradients.device)
        frequency = torch.hypot(rows[:, None], columns[None, :]).clamp_min(1)
        smooth = torch.fft.irfft2(torch.fft.rfft2(gradients) / frequency.square(), s=(height, width))
        return self.threat.ascent_direction(smooth, images)

    def random_start(self, centers: Images, generator: torch.Generator, rows: Rows | None = None) -> Images:
        return self.threat.random_start(centers, generator, rows)

    def scaled(self, factor: float) -> "OverFrequencies":
        return OverFrequencies(self.threat.scaled(factor))


__all__ = ["OverFrequencies"]
