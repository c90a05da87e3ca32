"""A few images and what the model answers on them: all that the reasons to distrust it look at."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.tensors import Classifier, Images, Labels, Logits, Mask

WideLabels = Int[Tensor, "wide"]

WIDE = 4
"""How many times as many images labels and predictions are compared on: two classes at 60 % need some 200."""


@final
@dataclass(frozen=True, kw_only=True)
class Probe:
    """`near`: the images with every value moved by 1/255 up or down; asked first, before the model saw `images`.
    `wide_labels`, `wide_predicted`: of these images and WIDE times as many in all.
    """

    model: Classifier
    images: Images
    labels: Labels
    near: Images
    near_logits: Logits
    logits: Logits
    wide_labels: WideLabels
    wide_predicted: WideLabels
    seed: int

    def __len__(self) -> int:
        return len(self.images)

    @property
    def predicted(self) -> Labels:
        return self.logits.argmax(1)

    @property
    def right(self) -> Mask:
        return self.predicted == self.labels

    @property
    def spread(self) -> float:
        """Root mean square of the logits about each image's mean: the unit in which their changes are judged."""
        return max(spread_of(self.logits), torch.finfo(torch.float32).tiny)

    def draw(self, purpose: str) -> torch.Generator:
        return generator(self.seed, "sanity", purpose, device=self.images.device)


def take_probe(model: Classifier, data: LabeledImages, *, count: int, seed: int) -> Probe:
    """At most `count` images of `data`, drawn without replacement, and the model's answers.

    Raises NotbugsError if count < 1, or if the answers are not one logit for every class.
    """
    if count < 1:
        raise NotbugsError(f"a check needs at least 1 image, got count={count}")
    order = torch.randperm(len(data), generator=generator(seed, "sanity", "rows")).to(data.labels.device)
    part, more = data.take(order[:count]), order[count : WIDE * count].split(count)
    draw = generator(seed, "sanity", "near", device=data.images.device)
    near = (part.images + signs(part.images, draw) / 255).clamp(0, 1)
    near_logits, logits = ask(model, near), ask(model, part.images)
    if logits.shape[1] < data.classes:
        raise NotbugsError(
            f"the model gives {logits.shape[1]} logits, {data.origin.name} has {data.classes} classes: "
            "it cannot name them all"
        )
    return Probe(
        model=model, images=part.images, labels=part.labels, near=near, near_logits=near_logits, logits=logits,
        wide_labels=data.labels[order[: WIDE * count]],
        wide_predicted=torch.cat([logits, *(ask(model, data.images[rows]) for rows in more if len(rows))]).argmax(1),
        seed=seed,
    )  # fmt: skip


def ask(model: Classifier, images: Images) -> Logits:
    """The model's answers in float32, without a gradient. Raises NotbugsError if they are not one row per image."""
    with torch.no_grad():
        answers = model(images)
    if answers.dim() != 2 or len(answers) != len(images):
        raise NotbugsError(
            f"the model answers {tuple(answers.shape)} to {len(images)} images: a classifier gives (images, classes)"
        )
    return answers.float()


def signs(images: Images, draw: torch.Generator) -> Images:
    """+1 or -1 for every value."""
    return torch.randint(2, images.shape, generator=draw, device=images.device).to(images.dtype) * 2 - 1


def faded(images: Images) -> Images:
    """Contrast lowered by a tenth about each image's mean: to the eye, and to a network, nearly the same picture."""
    middle = images.mean((1, 2, 3), keepdim=True)
    return middle + 0.9 * (images - middle)


def spread_of(logits: Logits) -> float:
    """Root mean square about each row's mean, so that an offset common to all classes counts for nothing."""
    wide = logits.cpu().double()
    return float((wide - wide.mean(1, keepdim=True)).square().mean().sqrt())


__all__ = ["Probe", "ask", "faded", "signs", "spread_of", "take_probe"]
