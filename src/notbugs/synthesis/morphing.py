"""Images turned into a class: generation from seeds, translation of photographs, sketches made to look real.

All of it is one search: the class score of a robust classifier climbed from a start (Santurkar et al. 2019, sections
3.1, 3.3 and 4). What differs is where it starts.
"""

import torch

from notbugs.attacks import LabelObjective
from notbugs.synthesis.drawing import Ascent
from notbugs.synthesis.gaussians import ClassGaussians
from notbugs.synthesis.pace import Pace
from notbugs.tensors import Classifier, Images, Labels

GENERATION = Pace(eps=4, steps=40, step_size=0.1, side=32)
PUBLISHED_GENERATION = Pace(eps=30, steps=60, step_size=0.5, side=32)
"""GENERATION goes a seventh as far: there the shipped models' images are the most like photographs (LOG.md)."""
TRANSLATION = Pace(eps=80, steps=200, step_size=0.5, side=224)
SKETCH = Pace(eps=40, steps=60, step_size=1.0, side=224)
"""As published for the restricted ImageNet."""


def morph(
    model: Classifier,
    images: Images,
    labels: Labels,
    *,
    pace: Pace = TRANSLATION,
) -> Ascent:
    """Each image turned into the class `labels` says, as far as the pace goes, at its published size or any other.

    >>> from notbugs import build
    >>> model, images = build("convnet", classes=10, seed=0), torch.rand(2, 3, 32, 32)
    >>> drawn = morph(model, images, torch.tensor([1, 2]), pace=Pace(eps=5, steps=3, step_size=0.5)).draw()
    >>> bool((drawn.after > drawn.before).all())
    True
    """
    objective = LabelObjective(model, labels, targeted=True)
    return Ascent.of(model, objective, images, pace)


def generate(
    model: Classifier,
    labels: Labels,
    seeds: ClassGaussians,
    *,
    generator: torch.Generator,
    pace: Pace = GENERATION,
) -> Ascent:
    """New images of these classes, grown from draws of each class's Gaussian."""
    start = seeds.draw(labels, generator=generator)
    return morph(model, start, labels, pace=pace)


__all__ = ["GENERATION", "PUBLISHED_GENERATION", "SKETCH", "TRANSLATION", "generate", "morph"]
