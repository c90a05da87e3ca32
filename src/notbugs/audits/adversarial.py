"""Accuracy under attack, counted by the harness: every adversarial image is verified in float32."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch

from notbugs.attacks import PGD, Attack
from notbugs.attacks.objectives import margin
from notbugs.audits.proportion import Proportion
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.hardware import choose_precision
from notbugs.models import frozen
from notbugs.models.folding import fast_view, threads_for
from notbugs.models.logits import require_logits
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.tensors import Classifier, Images, Labels, Mask
from notbugs.threads import over_parts
from notbugs.threats import Threat


@final
@dataclass(frozen=True, kw_only=True)
class AdversarialAudit:
    """What stood and what fell, as `audit` found it; shows itself in a notebook.

    `felled` counts, per attack in order, the images that fell to it first: clean = robust + their sum.

    >>> from notbugs import L2
    >>> found = AdversarialAudit(threat=L2(0.5), attacks=("pgd:l2:0.5:20",), seed=0, clean=Proportion(90, 100),
    ...                          robust=Proportion(60, 100), felled=(30,))
    >>> found.robust_accuracy, found.to_json()["felled"]
    (0.6, [['pgd:l2:0.5:20', 30]])
    """

    threat: Threat
    attacks: tuple[str, ...]
    seed: int
    clean: Proportion
    robust: Proportion
    felled: tuple[int, ...]

    @property
    def clean_accuracy(self) -> float:
        return self.clean.value

    @property
    def robust_accuracy(self) -> float:
        return self.robust.value

    def to_json(self) -> dict[str, Any]:
        """The content of a `result.json`: flat metrics, their intervals, threat, attacks and n."""
        return {
            "schema": 1,
            "command": "audit",
            "config": {"threat": str(self.threat), "attacks": list(self.attacks), "seed": self.seed},
            "metrics": {
                "clean_accuracy": self.clean.value,
                "robust_accuracy": self.robust.value,
                "n": self.clean.n,
            },
            "intervals": {"clean_accuracy": self.clean.interval, "robust_accuracy": self.robust.interval},
            "felled": [list(pair) for pair in zip(self.attacks, self.felled, strict=True)],
            "flags": [],
        }

    def __str__(self) -> str:
        return (
            f"clean {self.clean}, robust at {self.threat} {self.robust}; attacks: {', '.join(self.attacks)}"
        )

    def _repr_html_(self) -> str:
        from notbugs.notebook import audit_html

        return audit_html(self)


def default_attacks(threat: Threat, *, steps: int = 20) -> tuple[PGD, ...]:
    """PGD on the cross-entropy and on the margin (which does not saturate), from random starts."""
    step_size = 2.5 * threat.eps / steps or 1.0  # within eps 0 no step leads anywhere
    return tuple(
        PGD(threat=threat, steps=steps, step_size=step_size, loss=loss, stop_when_fooled=True)
        for loss in ("cross_entropy", "margin")
    )


def audit(
    model: Classifier,
    data: LabeledImages,
    *,
    threat: Threat,
    attacks: Sequence[Attack] | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    precision: str = "auto",
    progress: Progress = silent,
) -> AdversarialAudit:
    """Accuracy of `model` on `data`, clean and under every attack of the list (default: `default_attacks`).

    An image counts as robust if it is right and no attack changes that. Attacks run on a fast view of the model
    one after the other, each on the images still standing; what they return is believed only after ball, box and
    prediction were recomputed in float32 on the model itself. A Module is held in evaluation mode meanwhile; of any
    other callable that is the caller's business. Raises NotbugsError without an attack, if model and data do not
    fit, or where an attack of the list cannot be run.

    >>> from notbugs import L2, build, load
    >>> digits = load("digits", split="test").first(20)
    >>> found = audit(build("convnet-8-8-8-8", classes=10, seed=0), digits, threat=L2(0.5))
    >>> found.robust_accuracy <= found.clean_accuracy, found.attacks
    (True, ('pgd:l2:0.5:20', 'pgd-margin:l2:0.5:20'))
    """
    attacks = tuple(attacks) if attacks is not None else default_attacks(threat)
    if not attacks:
        raise NotbugsError("an audit needs at least one attack")
    require_logits(model, data.images, classes=data.classes)
    with frozen(model):
        right = predictions(model, data.images) == data.labels
        standing, felled = surviving(
            model, data, right, threat=threat, attacks=attacks, seed=seed, batch_size=batch_size,
            precision=precision, progress=progress,
        )  # fmt: skip
    return AdversarialAudit(
        threat=threat,
        attacks=tuple(str(attack) for attack in attacks),
        seed=seed,
        clean=Proportion(int(right.sum()), len(data)),
        robust=Proportion(int(standing.sum()), len(data)),
        felled=felled,
    )


def surviving(
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
) -> tuple[Mask, tuple[int, ...]]:
    """Which of the `standing` images no attack fells within `threat`, and how many fell to each attack.

    An attack's own idea of its threat is not asked: only ball, box and prediction, in float32, count.
    """
    device = data.images.device
    # Both made here: tracing a network changes torch for as long as it takes, for every thread.
    fast, exact = (fast_view(model, form) for form in (choose_precision(precision, device), torch.float32))
    batch_size = batch_size or (128 if device.type == "cpu" else 1000)
    standing, felled = standing.clone(), []
    threads = threads_for(fast, device)
    for number, attack in enumerate(attacks):
        left = standing.nonzero()[:, 0]
        batches = list(enumerate(left.split(batch_size))) if len(left) > 0 else []
        draw = partial(generator, seed, "audit", number, device=device)
        fallen = partial(_fallen, model, fast, exact, data, threat, attack, draw)
        fell = over_parts(fallen, batches, threads=threads)
        progress(number + 1, len(attacks), str(attack))
        if fell:
            standing[left[torch.cat(fell)]] = False
        felled.append(len(left) - int(standing.sum()))
    return standing, tuple(felled)


def _fallen(
    model: Classifier,
    fast: Classifier,
    exact: Classifier,
    data: LabeledImages,
    threat: Threat,
    attack: Attack,
    draw: Callable[[int], torch.Generator],
    batch: tuple[int, torch.Tensor],
) -> Mask:
    """Which images of a batch (its number, its rows) `attack` fells."""
    number, rows = batch
    images, labels = data.images[rows], data.labels[rows]
    found = search(attack, model, images, labels, fast=fast, exact=exact, generator=draw(number))
    return threat.contains(found, images) & (predictions(model, found) != labels)


HAIR = 2**-6
"""Margins below this share of the largest logit are within what bfloat16 and float32 may disagree on."""


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
