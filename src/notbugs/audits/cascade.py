"""Attacks one after the other, each on the images still standing. What they return is a proposal, not a verdict."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import torch

from notbugs.attacks import Attack
from notbugs.attacks.objectives import margin
from notbugs.data.labeled import LabeledImages
from notbugs.hardware import choose_precision
from notbugs.models import frozen
from notbugs.models.folding import fast_view, threads_for
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.tensors import Classifier, Images, Labels, Mask
from notbugs.threads import over_parts
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
    proposing = Proposing(model, data, precision=precision, batch_size=batch_size)
    fell_to = torch.where(standing, STANDS, WRONG)
    images, begun = data.images.clone(), int(standing.sum())
    done, total = 0, begun * len(attacks)
    for number, attack in enumerate(attacks):
        left = (fell_to == STANDS).nonzero()[:, 0]
        draw = partial(generator, seed, "audit", number, device=data.images.device)

        def tell(finished: int, before: int = done, attack: Attack = attack) -> None:
            progress(before + finished, total, str(attack))

        found, predicted = proposing(attack, left, draw, tell)
        fell = threat.contains(found, data.images[left]) & (predicted != data.labels[left])
        fell_to[left[fell]] = number
        images[left[fell]] = found[fell]
        done += len(left) + int(fell.sum()) * (len(attacks) - number - 1)
        progress(done, total, f"{attack}, {int((fell_to == STANDS).sum())} of {begun} stand")
    return Cascade(fell_to=fell_to, images=images)


@final
class Proposing:
    """Runs an attack over rows of the data, batch by batch, on every core; keeps the views that searches run on."""

    def __init__(
        self, model: Classifier, data: LabeledImages, *, precision: str, batch_size: int | None
    ) -> None:
        device = data.images.device
        self._model, self._data = model, data
        # Both made here: tracing a network changes torch for as long as it takes, for every thread.
        self._fast, self._exact = (
            fast_view(model, form) for form in (choose_precision(precision, device), torch.float32)
        )
        self._threads = threads_for(self._fast, device)
        self._batch_size = batch_size or (128 if device.type == "cpu" else 1000)

    def __call__(
        self,
        attack: Attack,
        rows: Labels,
        draw: Callable[[int], torch.Generator],
        tell: Callable[[int], None],
    ) -> tuple[Images, Labels]:
        """What `attack` proposes for `rows`, and the classes that the model itself gives to it; `tell`: rows done."""
        # Parts for all threads, or the last of them would work alone.
        size = max(1, min(self._batch_size, -(-len(rows) // self._threads)))
        finished = itertools.accumulate(itertools.repeat(1))

        def propose(batch: tuple[int, torch.Tensor]) -> tuple[Images, Labels]:
            number, part = batch
            images, labels = self._data.images[part], self._data.labels[part]
            found = search(
                attack,
                self._model,
                images,
                labels,
                fast=self._fast,
                exact=self._exact,
                generator=draw(number),
            )
            tell(min(len(rows), next(finished) * size))
            return found, predictions(self._model, found)

        batches = list(enumerate(rows.split(size))) if len(rows) > 0 else [(0, rows)]
        found, predicted = zip(*over_parts(propose, batches, threads=self._threads), strict=True)
        return torch.cat(found), torch.cat(predicted)


def search(
    attack: Attack,
    model: Classifier,
    images: Images,
    labels: Labels,
    *,
    fast: Classifier,
    exact: Classifier,
    generator: torch.Generator,
) -> Images:
    """What `attack` finds on `fast`, and, where `model` may disagree, on `exact`, its view in float32.

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
        found[again] = attack(exact, images[again], labels[again], generator=generator)
    return found


@torch.no_grad()
def predictions(model: Classifier, images: Images, *, batch_size: int = 500) -> Labels:
    """The classes that `model`, frozen and in its own precision, gives to the images."""
    with frozen(model):
        return torch.cat([model(part).argmax(1) for part in images.split(batch_size)])


__all__ = ["HAIR", "STANDS", "WRONG", "Cascade", "cascade", "predictions", "search"]
