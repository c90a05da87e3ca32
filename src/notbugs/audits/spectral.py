"""Which frequencies a model is sensitive to: the Fourier heat map, and its first order in one backward pass."""

import math
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from notbugs.attacks.ascent import input_gradients
from notbugs.attacks.objectives import LabelObjective, margin
from notbugs.audits.shifted import right_under
from notbugs.audits.views import Views, views_of
from notbugs.data.labeled import LabeledImages
from notbugs.errors import require_positive
from notbugs.models import frozen
from notbugs.models.logits import require_logits
from notbugs.progress import Progress, silent
from notbugs.proportion import Proportion
from notbugs.seeds import generator
from notbugs.shifts import fourier_basis, half_plane, mirrored, radii
from notbugs.tensors import Classifier, Images
from notbugs.threads import over_parts

REACH = 31
"""Frequencies up to so many cycles are looked at: all of an image of 63 pixels, 63 x 63 of a larger one's."""


HEAT_PARTS = 32
"""Basis vectors after which work on a heat map is kept."""


@final
@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """How often a model is wrong when one Fourier basis vector is added: `wrong[vector]` of `n` images.

    `frequencies[vector]` = (row, column) in cycles per image, one of each pair (i, j), (-i, -j): both are the same
    wave up to its phase. They are multiples of `step`.
    """

    norm: float
    step: int
    image_size: tuple[int, int]
    frequencies: Int[Tensor, "vectors 2"]
    wrong: Int[Tensor, " vectors"]
    n: int

    def error_at(self, row: int, column: int) -> Proportion:
        """The error with the vector of that frequency, or of its mirror image."""
        wanted = torch.tensor([[row, column]])
        both = torch.cat([wanted, mirrored(*self.image_size, wanted)])
        found = (self.frequencies[:, None] == both[None]).all(2).any(1)
        return Proportion(int(self.wrong[found][0]), self.n)

    def map(self) -> Float[Tensor, "rows columns"]:
        """Errors as a picture, frequency 0 in the middle, rows from the lowest up; a cell is `step` cycles wide."""
        every = torch.cat([self.frequencies, mirrored(*self.image_size, self.frequencies)]) // self.step
        first = every.amin(0)
        extent = [int(one) for one in every.amax(0) - first + 1]
        drawn = torch.full(extent, torch.nan)
        at = every - first
        drawn[at[:, 0], at[:, 1]] = (self.wrong / self.n).repeat(2).float()
        return drawn

    def by_radius(self) -> dict[int, float]:
        """The mean error of each ring of frequencies, by its radius rounded to whole cycles (of the shorter side)."""
        radius = radii(self.frequencies, *self.image_size).round().long()
        error = self.wrong.double() / self.n
        return {int(one): float(error[radius == one].mean()) for one in radius.unique()}


def heat_map(
    model: Classifier,
    data: LabeledImages,
    *,
    norm: float | None = None,
    reach: int = REACH,
    step: int = 1,
    frequencies: Int[Tensor, "vectors 2"] | None = None,
    seed: int = 0,
    precision: str = "auto",
    progress: Progress = silent,
) -> HeatMap:
    """The Fourier heat map of Yin et al. (2019, arXiv 1906.08988): errors under single Fourier basis vectors.

    Each is added to each image with the L2 length `norm` per channel and a random sign per channel, and the result is
    clamped to [0, 1]. `norm` None takes what is published for 32 pixels, 4, and for 224, 15.7, and what lies between
    them elsewhere. Only one vector of each pair of mirrored frequencies is tried, of those up to `reach` cycles in
    either direction, and of those the multiples of `step`; or `frequencies` names them (`heat_frequencies`).
    Raises NotbugsError if model and data do not fit.

    >>> from notbugs import build, load
    >>> digits, model = load("digits", split="test").first(20), build("convnet-8-8-8-8", classes=10, seed=0)
    >>> heat_map(model, digits, reach=1).map().shape
    torch.Size([3, 3])
    """
    height, width = data.images.shape[2:]
    norm = usual_norm(height, width) if norm is None else norm
    require_positive("norm", norm)
    require_positive("step", step)
    require_logits(model, data.images, classes=data.classes)
    chosen = frequencies
    if chosen is None:
        chosen = heat_frequencies(height, width, reach=reach, step=step)
    views = views_of(model, data.images.device, precision=precision)
    with frozen(model):
        wrong = errors_along(views, data, chosen, norm=norm, seed=seed, progress=progress)
    return HeatMap(
        norm=norm, step=step, image_size=(height, width), frequencies=chosen, wrong=wrong, n=len(data)
    )


def errors_along(
    views: Views,
    data: LabeledImages,
    frequencies: Int[Tensor, "vectors 2"],
    *,
    norm: float,
    seed: int,
    progress: Progress = silent,
) -> Int[Tensor, " vectors"]:
    """How many images are wrong with each of these Fourier basis vectors added; the model is frozen."""
    height, width = data.images.shape[2:]
    alone = replace(views, threads=1)  # each thread has vectors of its own

    def errors(frequency: Int[Tensor, " 2"]) -> int:
        wave = fourier_basis(frequency[None], height, width).to(data.images)[0] * norm
        draw = generator(seed, "heat map", *frequency.tolist())
        heads = torch.rand(len(data), data.images.shape[1], 1, 1, generator=draw) < 0.5
        signs = torch.where(heads, 1.0, -1.0).to(data.images)

        def added(images: Images, at: range) -> Images:
            return torch.addcmul(images, signs[at.start : at.stop], wave).clamp_(0, 1)

        return len(data) - int(right_under(alone, data, added, at_once=250).sum())

    wrong: list[int] = []
    for some in frequencies.split(4 * views.threads):
        wrong += over_parts(errors, list(some), threads=views.threads)
        progress(len(wrong), len(frequencies), "Fourier basis vectors")
    return torch.tensor(wrong)


def heat_frequencies(
    height: int, width: int, *, reach: int = REACH, step: int = 1
) -> Int[Tensor, "vectors 2"]:
    """Those of the half plane that a heat map shows."""
    every = half_plane(height, width)
    return every[(every.abs().amax(1) <= reach) & (every % step == 0).all(1)]


def usual_norm(height: int, width: int) -> float:
    """The L2 length per channel that heat maps are made with: 4 at 32 pixels, 15.7 at 224, a power law between."""
    return 4 * (math.sqrt(height * width) / 32) ** (math.log(15.7 / 4) / math.log(224 / 32))


def spectral_sensitivity(
    model: Classifier, data: LabeledImages, *, batch_size: int = 100
) -> Float[Tensor, "height width"]:
    """How much the margin changes along each Fourier basis vector, to first order: one backward pass of each image.

    The unitary Fourier transform of the margin's gradient (arXiv 2301.13514): at each frequency the length over the
    channels, averaged over the images; frequency 0 in the middle, as in `HeatMap.map`. What a heat map of infinitely
    small norm would see.

    >>> from notbugs import build, load
    >>> digits, model = load("digits", split="test").first(20), build("convnet-8-8-8-8", classes=10, seed=0)
    >>> spectral_sensitivity(model, digits).shape
    torch.Size([32, 32])
    """
    require_logits(model, data.images, classes=data.classes)
    height, width = data.images.shape[2:]
    total = torch.zeros(height, width, dtype=torch.float64)
    with frozen(model), torch.enable_grad():
        for first in range(0, len(data), batch_size):
            images = data.images[first : first + batch_size].clone().requires_grad_()
            objective = LabelObjective(model, data.labels[first : first + batch_size], margin)
            gradient = input_gradients(objective(images), images)
            spectrum = torch.fft.fft2(gradient, norm="ortho").abs().square().sum(1).sqrt()
            total += spectrum.sum(0).double().cpu()
    return torch.fft.fftshift(total / len(data)).float()


__all__ = [
    "HEAT_PARTS",
    "HeatMap",
    "errors_along",
    "heat_frequencies",
    "heat_map",
    "spectral_sensitivity",
    "usual_norm",
]
