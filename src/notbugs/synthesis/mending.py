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

INPAINTING = Pace(eps=21.6, steps=720, step_size=0.1, side=224)
SUPER_RESOLUTION = Pace(eps=8, steps=40, step_size=1.0, side=224)


def inpaint(
    model: Classifier,
    images: Images,
    holes: Marks,
    labels: Labels | None = None,
    *,
    pace: Pace = INPAINTING,
) -> Ascent:
    """Holes filled with the mean colour of what is around, then with what raises the class score.

    What is outside stays to the bit (Santurkar et al. 2019, section 3.2, let it change at a price). Without `labels`
    the class is what the model takes the holed image for.
    """
    start = with_holes(images, holes)
    objective = LabelObjective(model, _believed(model, start, labels), targeted=True)
    return Ascent.of(model, objective, start, pace, within=Marked(holes).of)


def with_holes(images: Images, holes: Marks) -> Images:
    """The images with their holes in the mean colour of the rest.

    >>> images = torch.tensor([0.2, 0.4, 0.9]).view(1, 1, 1, 3)
    >>> with_holes(images, torch.tensor([[[False, False, True]]])).flatten().tolist()
    [0.20000000298023224, 0.4000000059604645, 0.30000001192092896]
    """
    outside = (~holes)[:, None].to(images)
    mean = (images * outside).sum((2, 3), keepdim=True) / outside.sum((2, 3), keepdim=True).clamp_min(1)
    return torch.where(holes[:, None], mean, images)


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


__all__ = ["INPAINTING", "SUPER_RESOLUTION", "inpaint", "shrunk", "super_resolve", "with_holes"]
