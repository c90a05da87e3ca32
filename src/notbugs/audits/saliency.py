"""Where in an image a model looks, to first order: input gradients, SmoothGrad, integrated gradients.

Each gives one value per pixel, the absolute attributions of its channels added up, of the margin between the label's
logit and the best other one: what decides the answer, and unlike a logit alone unchanged when all of them shift.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from notbugs.attacks.ascent import input_gradients
from notbugs.attacks.objectives import LabelObjective, margin
from notbugs.data.labeled import LabeledImages
from notbugs.data.planted import truth_of
from notbugs.errors import NotbugsError, require_positive
from notbugs.models import frozen
from notbugs.progress import Progress, silent
from notbugs.proportion import Proportion
from notbugs.tensors import Classifier, Images, Labels

Maps = Float[Tensor, "images height width"]
Masks = Bool[Tensor, "images mask_height mask_width"]


def input_gradient(model: Classifier, images: Images, labels: Labels, *, batch_size: int = 100) -> Maps:
    """The absolute gradient of the margin (Simonyan et al. 2014, arXiv 1312.6034).

    >>> images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> input_gradient(lambda shown: shown.mean((2, 3)), images, torch.tensor([0, 1])).shape
    torch.Size([2, 4, 4])
    """
    return _flattened(margin_gradients(model, images, labels, batch_size))


def smooth_gradient(
    model: Classifier,
    images: Images,
    labels: Labels,
    *,
    generator: torch.Generator,
    samples: int = 25,
    spread: float = 0.1,
    batch_size: int = 100,
) -> Maps:
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825): the gradient averaged over noisy copies of the image.

    `spread` is the standard deviation of the noise, in pixel units; the mean is taken before the absolute value.
    """
    require_positive("samples", samples)
    total = torch.zeros_like(images)
    for _ in range(samples):
        noise = torch.empty(images.shape).normal_(generator=generator).to(images)
        total += margin_gradients(model, images + spread * noise, labels, batch_size)
    return _flattened(total / samples)


def integrated_gradients(
    model: Classifier,
    images: Images,
    labels: Labels,
    *,
    baseline: float = 0.5,
    steps: int = 32,
    batch_size: int = 100,
) -> Images:
    """Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) from a grey image, signed, for each value.

    They add up to the margin of the image less that of the baseline, up to the error of the midpoint rule.

    >>> images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> parts = integrated_gradients(lambda shown: shown.mean((2, 3)), images, torch.tensor([0, 1]))
    >>> means = images.mean((2, 3))
    >>> bool((parts[0].sum() - (means[0, 0] - means[0, 1:].max())).abs() < 1e-5)
    True
    """
    require_positive("steps", steps)
    total = torch.zeros_like(images)
    for step in range(steps):
        share = (step + 0.5) / steps
        total += margin_gradients(model, baseline + share * (images - baseline), labels, batch_size)
    return (images - baseline) * total / steps


def energy_inside(maps: Maps, masks: Masks) -> Float[Tensor, " images"]:
    """Which share of its saliency lies inside each image's mask; 0 where a map is 0 everywhere, or NaN."""
    _require_fit(maps, masks)
    maps = maps.nan_to_num(0, 0, 0)
    inside = (maps * masks).sum((1, 2))
    return inside / maps.sum((1, 2)).clamp_min(1e-30)


def pointing_game(maps: Maps, masks: Masks) -> Proportion:
    """How often the most salient pixel lies inside the mask (Zhang et al. 2016, arXiv 1608.00507)."""
    _require_fit(maps, masks)
    flat = maps.flatten(1).nan_to_num(0, 0, 0)
    best = flat.max(1, keepdim=True)
    hits = masks.flatten(1).gather(1, best.indices) & (
        best.values > 0
    )  # a map without any slope points nowhere
    return Proportion(int(hits.sum()), len(maps))


def planted_masks(data: LabeledImages) -> dict[str, Masks]:
    """Where in each planted image its features lie: the tag's square; of the shape the fifth of the pixels that it
    changes most. The fine pattern is everywhere. Empty for other data.

    >>> from notbugs import load
    >>> planted_masks(load("planted-spurious").first(2))["spurious"].sum((1, 2)).tolist()
    [25, 25]
    """
    truth = truth_of(data)
    if truth is None:
        return {}
    sizes = truth.directions("robust").square().sum(1)
    least = sizes.flatten(1).quantile(0.8, dim=1)[:, None, None]
    masks = {"robust": (sizes >= least)[data.columns["robust_class"].cpu()]}
    if truth.spurious:
        largest = truth.directions("spurious").abs().amax((0, 1))
        masks["spurious"] = (largest > 0.5 * largest.max()).expand(len(data), -1, -1)
    return {name: mask.to(data.images.device) for name, mask in masks.items()}


def saliency_maps(
    model: Classifier,
    images: Images,
    labels: Labels,
    *,
    generator: torch.Generator,
    progress: Progress = silent,
) -> dict[str, Maps]:
    """All three by name, in the order of their cost: "gradient", "smooth", "integrated"."""
    progress(0, 3, "input gradients")
    maps = {"gradient": input_gradient(model, images, labels)}
    progress(1, 3, "SmoothGrad")
    maps["smooth"] = smooth_gradient(model, images, labels, generator=generator)
    progress(2, 3, "integrated gradients")
    maps["integrated"] = integrated_gradients(model, images, labels).abs().sum(1)
    return maps


def margin_gradients(model: Classifier, images: Images, labels: Labels, batch_size: int) -> Images:
    """The gradient of the label's lead over the best other class, for each value of each image."""
    parts = []
    with frozen(model), torch.enable_grad():
        for part, own in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            asked = part.detach().clone().requires_grad_()
            parts.append(-input_gradients(LabelObjective(model, own, margin)(asked), asked))
    return torch.cat(parts)


def _flattened(attributions: Images) -> Maps:
    return attributions.abs().sum(1)


def _require_fit(maps: Maps, masks: Masks) -> None:
    if maps.shape != masks.shape:
        raise NotbugsError(f"maps of {tuple(maps.shape)} and masks of {tuple(masks.shape)} do not fit")


__all__ = [
    "energy_inside",
    "input_gradient",
    "integrated_gradients",
    "margin_gradients",
    "planted_masks",
    "pointing_game",
    "saliency_maps",
    "smooth_gradient",
]
