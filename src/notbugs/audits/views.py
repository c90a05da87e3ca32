"""The forms of a model that searches run on, and the classes that it gives to images, in float32 or as surely."""

from dataclasses import dataclass
from typing import final

import torch

from notbugs.hardware import choose_precision
from notbugs.models import frozen
from notbugs.models.folding import fast_view, threads_for
from notbugs.tensors import Classifier, Images, Labels, Logits
from notbugs.threads import over_parts

HAIR = 2**-6
"""Margins below this share of the largest logit are within what bfloat16 and float32 may disagree on."""


@final
@dataclass(frozen=True, kw_only=True)
class Views:
    """A model and the two forms of it that searches run on; made once: tracing a network changes torch for as long
    as it takes, for every thread.
    """

    model: Classifier
    fast: Classifier
    exact: Classifier
    threads: int


def views_of(model: Classifier, device: torch.device, *, precision: str = "auto") -> Views:
    """The forms of `model`; a folded network is searched on by every thread at once."""
    form = choose_precision(precision, device)
    fast = fast_view(model, form)
    exact = fast if form == torch.float32 else fast_view(model, torch.float32)
    return Views(model=model, fast=fast, exact=exact, threads=threads_for(fast, device))


@torch.no_grad()
def predictions(model: Classifier, images: Images, *, batch_size: int = 500) -> Labels:
    """The classes that `model`, frozen and in its own precision, gives to the images; -1 where a logit is NaN.

    >>> images = torch.tensor([0.1, 0.9, torch.nan, 0.2]).view(2, 2, 1, 1)
    >>> predictions(lambda shown: shown.flatten(1), images).tolist()
    [1, -1]
    """
    with frozen(model):
        return torch.cat([_classes(model(part)) for part in images.split(batch_size)])


@torch.no_grad()
def quick_predictions(views: Views, images: Images, *, batch_size: int = 125) -> Labels:
    """What `predictions` finds, mostly on the fast view: where that one's lead is within rounding, the model decides.

    The caller holds the model frozen.

    >>> model = torch.nn.Flatten()
    >>> images = torch.tensor([0.1, 0.9, torch.nan, 0.2]).view(2, 2, 1, 1)
    >>> quick_predictions(views_of(model, images.device), images).tolist()
    [1, -1]
    """
    hair = 2 * HAIR if views.fast is not views.exact else 2**-12

    def of_part(part: Images) -> Labels:
        logits = views.fast(part).float()
        classes = _classes(logits)
        if logits.shape[1] < 2:
            return classes
        first, second = logits.topk(2, dim=1).values.unbind(1)
        unsure = ~(first - second > hair * logits.abs().amax(1))  # NaN is
        if bool(unsure.any()):
            classes[unsure] = _classes(views.model(part[unsure]))
        return classes

    size = batch_size if images.device.type == "cpu" else 8 * batch_size
    return torch.cat(over_parts(of_part, images.split(size), threads=views.threads))


def _classes(logits: Logits) -> Labels:
    return logits.argmax(1).where(~logits.isnan().any(1), -1)


__all__ = ["HAIR", "Views", "predictions", "quick_predictions", "views_of"]
