"""Accuracy under attack, counted by the harness: every adversarial image is verified in float32."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import torch

from notbugs.attacks import Attack
from notbugs.audits.cascade import STANDS, WRONG, cascade
from notbugs.audits.flag import Flag, met_nan, once
from notbugs.audits.nearest import with_nearest
from notbugs.audits.outcomes import cascade_outcomes, other_threats, suspicions
from notbugs.audits.sanity import check
from notbugs.audits.suites import suite_attacks
from notbugs.audits.views import predictions, views_of
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.models.logits import require_logits
from notbugs.progress import Progress, silent
from notbugs.proportion import Proportion
from notbugs.tensors import Classifier
from notbugs.threats import TOLERANCE, Threat, as_threat


@final
@dataclass(frozen=True, kw_only=True)
class AdversarialAudit:
    """What stood and what fell, as `audit` found it; shows itself in a notebook.

    `found` holds the worst image found for every image of the data (itself where nothing felled it) and the columns
    `fell_to` (number of the attack that felled it first; -1: it stands; -2: it was wrong before any attack),
    `predicted` (on the image found), `distance` (from the original, in the threat's norm; 0 if nothing felled it),
    `met_nan` (an attack could not go on near it)
    and, where an attack was asked for the nearest adversarial images, `nearest`: how far the nearest one found lies
    (0: wrong before; inf: none found). `flags` are reasons to distrust the numbers.
    """

    threat: Threat
    attacks: tuple[str, ...]
    seed: int
    found: LabeledImages
    flags: tuple[Flag, ...] = ()

    @property
    def clean(self) -> Proportion:
        return Proportion(int((self.found.columns["fell_to"] != WRONG).sum()), len(self.found))

    @property
    def robust(self) -> Proportion:
        return Proportion(int((self.found.columns["fell_to"] == STANDS).sum()), len(self.found))

    @property
    def clean_accuracy(self) -> float:
        return self.clean.value

    @property
    def robust_accuracy(self) -> float:
        return self.robust.value

    @property
    def felled(self) -> tuple[int, ...]:
        """How many images fell to each attack first, in order: clean = robust + their sum."""
        fell_to = self.found.columns["fell_to"]
        return tuple(int((fell_to == number).sum()) for number in range(len(self.attacks)))

    @property
    def by_class(self) -> Mapping[str, tuple[Proportion, Proportion]]:
        """Clean and robust accuracy of each class that has images."""
        fell_to, labels = self.found.columns["fell_to"], self.found.labels
        counted = {}
        for label, name in enumerate(self.found.class_names):
            of_class = fell_to[labels == label]
            if len(of_class) > 0:
                right, standing = int((of_class != WRONG).sum()), int((of_class == STANDS).sum())
                counted[name] = (Proportion(right, len(of_class)), Proportion(standing, len(of_class)))
        return counted

    def accuracy_at(self, eps: float) -> Proportion:
        """Accuracy within another budget of the same norm, by the nearest adversarial images found.

        Raises NotbugsError if they were not searched for.
        """
        if "nearest" not in self.found.columns:
            raise NotbugsError(
                "accuracy at another eps needs the nearest adversarial images: audit(nearest=...)"
            )
        return Proportion(int((self.found.columns["nearest"] > eps + TOLERANCE).sum()), len(self.found))

    def to_json(self) -> dict[str, Any]:
        """The content of a `result.json`: flat metrics, their intervals, threat, attacks and n."""
        proportions = {"clean_accuracy": self.clean, "robust_accuracy": self.robust}
        for name, (clean, robust) in self.by_class.items():
            proportions |= {f"class.{name}.clean_accuracy": clean, f"class.{name}.robust_accuracy": robust}
        return {
            "schema": 1,
            "command": "audit",
            "config": {"threat": str(self.threat), "attacks": list(self.attacks), "seed": self.seed},
            "metrics": {name: value.value for name, value in proportions.items()} | {"n": len(self.found)},
            "intervals": {name: value.interval for name, value in proportions.items()},
            "counts": {name: [value.count, value.n] for name, value in proportions.items()},
            "felled": [list(pair) for pair in zip(self.attacks, self.felled, strict=True)],
            "flags": [
                {"of": flag.name.replace("_", " "), "reason": f"{flag.found} {flag.advice}", **asdict(flag)}
                for flag in self.flags
            ],
        }

    def __str__(self) -> str:
        return (
            f"clean {self.clean}, robust at {self.threat} {self.robust}; attacks: {', '.join(self.attacks)}"
        )

    def _repr_html_(self) -> str:
        from notbugs.notebook import audit_html

        return audit_html(self)


def audit(
    model: Classifier,
    data: LabeledImages,
    *,
    threat: Threat | str,
    attacks: str | Sequence[Attack] = "fast",
    nearest: Attack | None = None,
    sanity: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
    precision: str = "auto",
    progress: Progress = silent,
) -> AdversarialAudit:
    """Accuracy of `model` on `data`, clean and under every attack of a suite (`suite_attacks`) or list.

    An image counts as robust if it is right and no attack changes that. Attacks run on a fast view of the model
    one after the other, each on the images still standing; what they return is believed only after ball, box and
    prediction were recomputed in float32 on the model itself. `nearest`, an attack that looks for the nearest
    adversarial image, runs last, on all images that were right; what it finds inside the threat counts as well.
    `sanity` looks for reasons to distrust the numbers (`check`, `suspicions`).
    A Module is held in evaluation mode meanwhile; of any other callable that is the caller's business.
    Raises NotbugsError without an attack, if model and data do not fit, or where an attack of the list cannot be run.

    >>> from notbugs import L2, build, load
    >>> digits = load("digits", split="test").first(20)
    >>> found = audit(build("convnet-8-8-8-8", classes=10, seed=0), digits, threat=L2(0.5), attacks="quick")
    >>> found.robust_accuracy <= found.clean_accuracy, found.attacks
    (True, ('pgd:l2:0.5:20', 'pgd-margin:l2:0.5:20'))
    """
    if not isinstance(data, LabeledImages):
        raise NotbugsError(
            f"the data are {type(data).__name__}; make them LabeledImages(images=..., labels=..., class_names=...)"
        )
    threat = as_threat(threat)
    classes = require_logits(model, data.images, classes=data.classes)
    if isinstance(attacks, str):
        attacks = suite_attacks(attacks, threat, classes=classes)
    elif isinstance(attacks, Attack):
        attacks = (attacks,)
    if not attacks:
        raise NotbugsError("an audit needs at least one attack")
    for attack in (*attacks, *([] if nearest is None else [nearest])):
        if not isinstance(attack, Attack):
            raise NotbugsError(
                f"{attack!r} is no attack: give values like APGD(threat=...), or the name of a suite on its own"
            )
    views = views_of(model, data.images.device, precision=precision)
    with frozen(model):
        right = predictions(model, data.images) == data.labels
        begun = int(right.sum())
        total = begun * (len(attacks) + (nearest is not None))

        def after(others: int) -> Progress:
            return lambda done, _, note: progress(begun * others + done, total, note)

        done = cascade(
            views, data, right, threat=threat, attacks=attacks, seed=seed, batch_size=batch_size,
            progress=after(0),
        )  # fmt: skip
        columns = {"index": torch.arange(len(data), device=data.labels.device)}
        if nearest is not None:
            done, columns["nearest"] = with_nearest(
                views, data, done, threat=threat, attack=nearest, number=len(attacks), seed=seed,
                batch_size=batch_size, progress=after(len(attacks)),
            )  # fmt: skip
            attacks = [*attacks, nearest]
        columns |= {
            "fell_to": done.fell_to,
            "predicted": predictions(model, done.images),
            "distance": threat.size(done.images, data.images),
            "met_nan": done.met_nan,
        }
    origin = Origin(
        name=f"{data.origin.name} under {threat}", parent=data.digest, licence=data.origin.licence
    )
    found = replace(data, images=done.images, origin=origin, columns=columns)
    audited = AdversarialAudit(threat=threat, attacks=tuple(map(str, attacks)), seed=seed, found=found)
    return replace(audited, flags=reasons(model, data, audited, attacks=attacks)) if sanity else audited


def reasons(
    model: Classifier, data: LabeledImages, audited: AdversarialAudit, *, attacks: Sequence[Attack]
) -> tuple[Flag, ...]:
    """Reasons to distrust an audit: in what its attacks did, and in the model itself; each said once."""
    columns = {name: column.to(data.labels.device) for name, column in audited.found.columns.items()}
    fell_to = columns["fell_to"]
    found = list(suspicions(cascade_outcomes(attacks, fell_to), right=fell_to != WRONG, labels=data.labels))
    found += other_threats(attacks, audited.threat)
    if lost := int(columns["met_nan"].sum()):
        found.append(met_nan(f"Around {lost} of {len(data)} images an attack"))
    # What the labels show on all images is not asked of a sample again.
    sampled = [
        flag
        for flag in check(model, data, threat=audited.threat, seed=audited.seed)
        if flag.name != "chance_accuracy"
    ]
    return once([*found, *sampled])
