"""Attacks one after the other, each on the images still standing. What they return is a proposal, not a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from notbugs.attacks import Attack
from notbugs.attacks.objectives import margin
from notbugs.data.labeled import LabeledImages
from notbugs.hardware import choose_precision
from notbugs.models import frozen
from notbugs.models.folding import fast_view
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.tensors import Classifier, Images, Labels, Mask
from notbugs.threats import Threat

WRONG, STANDS = -2, -1
"""What `fell_to` says of an image that was wrong before any attack, and of one that no attack felled."""

HAIR = 2**-6
"""Margins below this share of the largest logit are within what bfloat16 and float32 may disagree on."""


@final
@dataclass(frozen=True, kw_only=True)
class Cascade:
    """`fell_to`: number of the attack that felled each image first, or WRONG, or STANDS; `images`: what felled it
    (the original where nothing did).
    """

    fell_to: Labels
    images: Images

    @property
    def standing(self) -> Mask:
        return self.fell_to == STANDS


def cascade(
    model: Classifier,
    data: LabeledImages,
    standing: Mask,
    *,
    threat: Threat,
    attacks: Sequence[Attack],
    seed: int,
    batch_size: int | None = None,
    precision: str = "auto",
    progress: Progress = silent,
) -> Cascade:
    """Run `attacks` in order on those of the `standing` images that those before left.

    An attack's own idea of its threat is not asked: an image has fallen if, in float32 on the model itself, it lies
    in ball and box of `threat` and is given another label. Progress counts images that an attack is done with; one
    that has fallen counts for all attacks to come.
    """
    device = data.images.device
    fast = fast_view(model, choose_precision(precision, device))
    batch_size = batch_size or (128 if device.type == "cpu" else 1000)
    fell_to = torch.where(standing, STANDS, WRONG)
    images, begun = data.images.clone(), int(standing.sum())
    done, total = 0, begun * len(attacks)
    for number, attack in enumerate(attacks):
        left = (fell_to == STANDS).nonzero()[:, 0]
        for index, rows in enumerate(left.split(batch_size) if len(left) > 0 else ()):
            centers, labels = data.images[rows], data.labels[rows]
            draw = generator(seed, "audit", number, index, device=device)
            found = search(attack, model, centers, labels, fast=fast, generator=draw)
            fell = threat.contains(found, centers) & (predictions(model, found) != labels)
            fell_to[rows[fell]] = number
            images[rows[fell]] = found[fell]
            done += len(rows) + int(fell.sum()) * (len(attacks) - number - 1)
            robust = int((fell_to == STANDS).sum())
            progress(done, total, f"{attack}, {robust} of {begun} stand")
    return Cascade(fell_to=fell_to, images=images)


def search(
    attack: Attack,
    model: Classifier,
    images: Images,
    labels: Labels,
    *,
    fast: Classifier,
    generator: torch.Generator,
) -> Images:
    """What `attack` finds on `fast`, and, where the two may disagree, on the model in float32.

    They may where `fast` takes an image for fooled that the model does not, or where it stands by a hair: an image
    that left the search at its first success in bfloat16 may lie just before the boundary in float32.
    """
    found = attack(fast, images, labels, generator=generator)
    with torch.no_grad(), frozen(model):
        logits, claimed = model(found), fast(found).argmax(1) != labels
    lead = -margin(logits, labels)
    by_a_hair = lead <= HAIR * logits.abs().amax(1)
    again = ((lead >= 0) & (claimed | by_a_hair)).nonzero()[:, 0]
    if len(again) > 0:
        found = found.clone()
        exact = fast_view(model, torch.float32)
        found[again] = attack(exact, images[again], labels[again], generator=generator)
    return found


@torch.no_grad()
def predictions(model: Classifier, images: Images, *, batch_size: int = 500) -> Labels:
    """The classes that `model`, frozen and in its own precision, gives to the images."""
    with frozen(model):
        return torch.cat([model(part).argmax(1) for part in images.split(batch_size)])


__all__ = ["HAIR", "STANDS", "WRONG", "Cascade", "cascade", "predictions", "search"]
