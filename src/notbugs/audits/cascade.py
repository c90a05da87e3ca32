"""Attacks one after the other, each on the images still standing. What they return is a proposal, not a verdict."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import final

import torch

from notbugs.attacks import Attack
from notbugs.attacks.boundary import onto_the_boundary
from notbugs.attacks.objectives import LabelObjective, margin
from notbugs.audits.views import HAIR, Views, predictions
from notbugs.data.labeled import LabeledImages
from notbugs.errors import SearchMetNaNError
from notbugs.models import frozen
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.tensors import Images, Labels, Mask
from notbugs.threads import over_parts
from notbugs.threats import Threat

WRONG, STANDS = -2, -1
"""What `fell_to` says of an image that was wrong before any attack, and of one that no attack felled."""

FEWEST = 32
"""Images of a part, if there are as many: smaller ones cost as much in bookkeeping as in arithmetic."""


@final
@dataclass(frozen=True, kw_only=True)
class Cascade:
    """`fell_to`: number of the attack that felled each image first, or WRONG, or STANDS; `images`: what felled it
    (the original where nothing did); `met_nan`: an attack could not go on near it.
    """

    fell_to: Labels
    images: Images
    met_nan: Mask

    @property
    def standing(self) -> Mask:
        return self.fell_to == STANDS


def cascade(
    views: Views,
    data: LabeledImages,
    standing: Mask,
    *,
    threat: Threat,
    attacks: Sequence[Attack],
    seed: int,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> Cascade:
    """Run `attacks` in order on those of the `standing` images that those before left.

    An attack's own idea of its threat is not asked: an image has fallen if, in float32 on the model itself, it lies
    in ball and box of `threat` and is given another label. Progress counts images that an attack is done with; one
    that has fallen counts for all attacks to come.

    >>> from notbugs import L2, build, load
    >>> from notbugs.attacks import PGD
    >>> from notbugs.audits.views import views_of
    >>> digits, model = load("digits", split="test").first(20), build("convnet-8-8-8-8", classes=10, seed=0)
    >>> right = predictions(model, digits.images) == digits.labels
    >>> views, attack = views_of(model, digits.images.device), PGD(threat=L2(0.5), steps=5, step_size=0.2)
    >>> done = cascade(views, digits, right, threat=L2(0.5), attacks=[attack], seed=0)
    >>> bool((done.standing <= right).all()), bool((done.fell_to[~right] == WRONG).all())
    (True, True)
    """
    met_nan = torch.zeros_like(standing)
    fell_to = torch.where(standing, STANDS, WRONG)
    images, begun = data.images.clone(), int(standing.sum())
    done, total = 0, begun * len(attacks)
    for number, attack in enumerate(attacks):
        left = (fell_to == STANDS).nonzero()[:, 0]
        if len(left) == 0:
            break
        draw = partial(generator, seed, "audit", number, device=data.images.device)

        def tell(finished: int, before: int = done, attack: Attack = attack) -> None:
            progress(before + finished, total, str(attack))

        proposed = propose(views, attack, data.take(left), draw=draw, batch_size=batch_size, tell=tell)
        found = proposed.images
        fell = threat.contains(found, data.images[left]) & proposed.fools(data.labels[left])
        met_nan[left] |= proposed.met_nan
        fell_to[left[fell]] = number
        images[left[fell]] = found[fell]
        done += len(left) + int(fell.sum()) * (len(attacks) - number - 1)
        progress(done, total, f"{attack}, {int((fell_to == STANDS).sum())} of {begun} stand")
    return Cascade(fell_to=fell_to, images=images, met_nan=met_nan)


@final
@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What an attack returned, the classes that the model gives to it (-1: its logits are not numbers), and where the
    attack met NaN and returned nothing.
    """

    images: Images
    predicted: Labels
    met_nan: Mask

    def fools(self, labels: Labels) -> Mask:
        return (self.predicted != labels) & (self.predicted >= 0)


def propose(
    views: Views,
    attack: Attack,
    data: LabeledImages,
    *,
    draw: Callable[[int], torch.Generator],
    batch_size: int | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> Proposal:
    """What `attack` finds for `data`, part by part on every core.

    `draw` gives each part its generator: how `data` are divided depends on their number and the device alone, not on
    the number of cores, or these would decide the result. `tell` hears how many images are done.
    """
    rows = torch.arange(len(data), device=data.labels.device)
    parts = rows.tensor_split(_parts(len(rows), rows.device, batch_size))
    done, lock = itertools.accumulate(map(len, parts)), Lock()

    def of_part(numbered: tuple[int, torch.Tensor]) -> tuple[Images, Labels, Mask]:
        number, part = numbered
        images, labels = data.images[part], data.labels[part]
        nan = torch.zeros_like(part, dtype=torch.bool)
        try:
            found = search(attack, views, images, labels, generator=draw(number))
        except SearchMetNaNError:
            found, nan = images, ~nan
        predicted = predictions(views.model, found)
        with lock:
            tell(next(done))
        return found, predicted, nan

    with frozen(views.model):
        found, predicted, nan = zip(
            *over_parts(of_part, list(enumerate(parts)), threads=views.threads), strict=True
        )
    return Proposal(images=torch.cat(found), predicted=torch.cat(predicted), met_nan=torch.cat(nan))


def _parts(count: int, device: torch.device, batch_size: int | None) -> int:
    """An even number of parts of at most `batch_size` images, but one where that would leave few in each."""
    most = batch_size or (64 if device.type == "cpu" else 1000)
    if count <= min(most, FEWEST):
        return 1
    return min(count, 2 * -(-count // (2 * most)))


def search(
    attack: Attack, views: Views, images: Images, labels: Labels, *, generator: torch.Generator
) -> Images:
    """What `attack` finds on the fast view, and, where the model may disagree, on its exact one, in float32.

    It may where the fast view takes an image for fooled that the model does not, or where it stands by a hair: an
    image that left the search at its first success in bfloat16 may lie just before the boundary in float32.
    """
    if getattr(attack, "exact", False) or views.fast is views.exact:
        return attack(views.exact, images, labels, generator=generator)
    found = attack(views.fast, images, labels, generator=generator)
    if minimal := getattr(attack, "minimal", False):  # all that it finds lies on a boundary
        found = onto_the_boundary(LabelObjective(views.exact, labels, margin), images, found)
    with torch.no_grad(), frozen(views.model):
        logits, claimed = views.model(found), views.fast(found).argmax(1) != labels
    lead = -margin(logits, labels)
    # A search that is given up where it gains nothing gains nothing below the rounding either: it gets twice as much.
    hair = 2 * HAIR if getattr(attack, "abort_early", False) else HAIR
    by_a_hair = (lead <= hair * logits.abs().amax(1)) & (not minimal)
    again = ((lead >= 0) & (claimed | by_a_hair)).nonzero()[:, 0]
    if len(again) > 0:
        found = found.clone()
        found[again] = attack(views.exact, images[again], labels[again], generator=generator)
    return found


__all__ = [
    "STANDS",
    "WRONG",
    "Cascade",
    "Proposal",
    "cascade",
    "propose",
    "search",
]
