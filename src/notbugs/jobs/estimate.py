"""How long an audit will take, from a moment's measurement: said before it begins."""

import time
from collections.abc import Callable

import torch
from torch import nn

from notbugs.attacks.ascent import input_gradients
from notbugs.audits import quick_predictions, views_of
from notbugs.audits.reliance import ablations
from notbugs.audits.spectral import heat_frequencies
from notbugs.data.labeled import LabeledImages
from notbugs.jobs.conflict import IMAGES, STEPS
from notbugs.jobs.plan import Plan, frequency_shifts, heat_step
from notbugs.jobs.subject import Subject
from notbugs.jobs.usefulness import STEPS as STARTED
from notbugs.jobs.usefulness import can_be_asked
from notbugs.models import frozen
from notbugs.shifts import Corruption

GRADIENTS = {"quick": 30, "fast": 60, "standard": 1500}
"""Input gradients an image, roughly, of each suite of attacks: most of them on the images that stand."""

NEAREST = 100
SAMPLE = 32
WINDOWS = 49
SALIENCY = 58
UNITS = 512
"""Features that a network has before its last layer, more or less."""


def expected_seconds(
    subject: Subject, data: LabeledImages, plan: Plan, *, precision: str = "auto"
) -> dict[str, float]:
    """About how many seconds each section of a plan will take for this model and these images on this machine.

    >>> from notbugs import build, load
    >>> from notbugs.jobs import PLANS
    >>> model = Subject(model=build("convnet-8-8-8-8", classes=10, seed=0), named="net")
    >>> list(expected_seconds(model, load("digits").first(100), PLANS["quick"]))
    ['adversarial', 'corruption', 'frequency', 'reliance', 'features', 'regions', 'saliency']
    """
    n, some = len(data), data.part(SAMPLE)
    views = views_of(subject.model, data.images.device, precision=precision)
    with frozen(subject.model):
        forward = _per_image(lambda: quick_predictions(views, some.images), len(some))
        gradient = _per_image(lambda: _gradient(views.fast, some), len(some))
    corrupting = {
        name: _per_image(lambda name=name: Corruption(name)(some.images[:8]), min(8, len(some)))  # type: ignore[misc]
        for name in plan.corruptions
        if "corruption" in plan.sections
    }
    shifts = {str(one): one for each in ablations(data) for one in (each.removed, each.kept)}
    ablating = [
        _per_image(lambda one=one: one(some.images[:2]), min(2, len(some)))  # type: ignore[misc]
        for one in shifts.values()
        if "reliance" in plan.sections
    ]
    height, width = data.images.shape[2:]
    filters = sum(len(shifts) for shifts in frequency_shifts(height, width, 1.0).values())
    step = heat_step(height, width, plan.vectors) if plan.vectors else 1
    vectors = len(heat_frequencies(height, width, step=step)) if plan.vectors else 0
    trials = len(plan.severities) * plan.draws
    seconds = {
        "adversarial": n * gradient * (GRADIENTS[plan.attacks] + NEAREST * plan.norms),
        "corruption": n * trials * sum(forward + one for one in corrupting.values()),
        "frequency": (n * filters + vectors * min(n, plan.heat_images)) * forward,
        "reliance": n * sum(forward + one for one in ablating),
        "features": min(plan.units, UNITS) * plan.unit_images * 2 * STARTED * gradient,
        "regions": n * WINDOWS * forward,
        "saliency": min(n, 100) * SALIENCY * gradient,
    }
    asked = set(plan.sections) - (set() if can_be_asked(subject, data) else {"features"})
    return {section: seconds[section] for section in seconds if section in asked}


def expected_conflict_seconds(reference: nn.Module, data: LabeledImages, *, precision: str = "auto") -> float:
    """About how many seconds it takes to build the images in conflict with this reference model."""
    some = data.part(SAMPLE)
    views = views_of(reference, data.images.device, precision=precision)
    with frozen(reference):
        return min(len(data), IMAGES) * STEPS * _per_image(lambda: _gradient(views.fast, some), len(some))


def _gradient(model: Callable[[torch.Tensor], torch.Tensor], data: LabeledImages) -> None:
    images = data.images.detach().clone().requires_grad_()
    input_gradients(model(images).float().square().sum(1), images)


def _per_image(work: Callable[[], object], count: int) -> float:
    """Seconds an image, after a first round that nobody counts."""
    work()
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / count


__all__ = ["expected_conflict_seconds", "expected_seconds"]
