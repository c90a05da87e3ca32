"""Images with something missing: holes filled, small ones enlarged."""

import torch
from torch import Tensor
from torch.nn import functional

from notbugs.attacks import LabelObjective
from notbugs.models import frozen
from notbugs.synthesis.drawing import Ascent
from notbugs.synthesis.gaussians import enlarged
from notbugs.synthesis.marked import Marked, Marks
from notbugs.synthesis.pace import Pace
from notbugs.tensors import Classifier, Images, Labels

INPAINTING = Pace(eps=2.1, steps=60, step_size=0.1, side=224)
PUBLISHED_INPAINTING = Pace(eps=21.6, steps=720, step_size=0.1, side=224)
"""Santurkar et al. 2019, appendix A; from a start as smooth as ours it goes past the true pixels, and INPAINTING as
near to them as it comes (LOG.md).
"""
SUPER_RESOLUTION = Pace(eps=8, steps=40, step_size=1.0, side=224)

SMOOTHINGS = 5
"""Of what is guessed, at each size: the squares of the coarser guess are seen no more."""

_HALVED = {"ceil_mode": True, "count_include_pad": False}


def inpaint(
    model: Classifier,
    images: Images,
    holes: Marks,
    labels: Labels | None = None,
    *,
    pace: Pace = INPAINTING,
) -> Ascent:
    """Holes filled smoothly from what is around, then with what raises the class score.

    What is outside stays to the bit (Santurkar et al. 2019, section 3.2, let it change at a price). Without `labels`
    the class is what the model takes the filled image for.
    """
    start = filled(images, holes)
    objective = LabelObjective(model, _believed(model, start, labels), targeted=True)
    return Ascent.of(model, objective, start, pace, within=Marked(holes).of)


def filled(images: Images, holes: Marks) -> Images:
    """The images with their holes filled from around them, smoothly; one that is all hole becomes grey.

    What is far inside comes from coarser images (the pull and push of Gortler et al. 1996), smoothed at each size.

    >>> images = torch.tensor([0.2, 0.4, 0.9, 0.8]).view(1, 1, 1, 4)
    >>> shown = filled(images, torch.tensor([[[False, False, True, False]]]))
    >>> bool(0.4 < shown[0, 0, 0, 2] < 0.8), torch.equal(shown[..., :2], images[..., :2])
    (True, True)
    """
    known = (~holes)[:, None].expand(len(images), 1, -1, -1)
    nothing = ~known.any(dim=-1, keepdim=True).any(dim=-2, keepdim=True)
    return _filled(torch.where(nothing, 0.5, images), known | nothing)


def _filled(images: Images, known: Tensor) -> Images:
    if bool(known.all()):
        return images
    share = functional.avg_pool2d(known.to(images), 2, **_HALVED)
    coarse = functional.avg_pool2d(images * known, 2, **_HALVED) / share.clamp_min(1e-6)
    guess = functional.interpolate(_filled(coarse, share > 0), images.shape[2:], mode="bilinear")
    shown = torch.where(known, images, guess)
    for _ in range(SMOOTHINGS):
        shown = torch.where(known, images, functional.avg_pool2d(shown, 3, stride=1, padding=1, **_HALVED))
    return shown


def super_resolve(
    model: Classifier,
    small: Images,
    size: tuple[int, int],
    labels: Labels | None = None,
    *,
    pace: Pace = SUPER_RESOLUTION,
) -> Ascent:
    """Small images enlarged to `size` and sharpened by what raises the class score (Santurkar et al. 2019, 3.4).

    The start, and what there is to beat, is the bicubic enlargement. Without `labels` the class is what the model
    takes that for.
    """
    start = enlarged(small, size).clamp(0, 1)
    objective = LabelObjective(model, _believed(model, start, labels), targeted=True)
    return Ascent.of(model, objective, start, pace)


def shrunk(images: Images, factor: int) -> Tensor:
    """Images `factor` times smaller along each side, rounded, by averaging what falls together."""
    height, width = (max(1, round(side / factor)) for side in images.shape[2:])
    return functional.adaptive_avg_pool2d(images, (height, width))


def _believed(model: Classifier, images: Images, labels: Labels | None) -> Labels:
    if labels is not None:
        return labels
    with frozen(model), torch.no_grad():
        return model(images).argmax(1)


__all__ = [
    "INPAINTING",
    "PUBLISHED_INPAINTING",
    "SUPER_RESOLUTION",
    "filled",
    "inpaint",
    "shrunk",
    "super_resolve",
]
