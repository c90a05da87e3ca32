"""The section of an audit's report about attacks: which felled what, how near, and the images themselves."""

import math
from collections.abc import Sequence

from notbugs.app.audit_bars import SHOWN, class_bars, felled_bars
from notbugs.app.audit_curves import Curve, distance_curves, robust_accuracy_curves
from notbugs.app.audited_models import COMPARES, Page, titled, whose
from notbugs.app.blocks import Block, Entry, Figure, Grid, Pictures, Section, measured
from notbugs.app.figures import Series
from notbugs.app.naming import budget_text, norm_text
from notbugs.app.pictures import adversarial_strips
from notbugs.app.rows import percent, points
from notbugs.audits import STANDS, AdversarialAudit, Difference, Proportion
from notbugs.jobs import read_adversarial
from notbugs.threats import Linf

POINTS = 25
"""Budgets at which the curve of robust accuracy is drawn; the audited one is one of them."""


def attack_section(page: Page) -> Section:
    """What fell to which attack, how near, class by class, and the adversarial images."""
    models = page.having("adversarial")
    found = {model.label: read_adversarial(model.stages["adversarial"]) for model in models}
    first = next(iter(found.values()))
    budget, told = budget_text(str(first.threat)), []
    blocks: list[Block] = []
    for label, one in found.items():
        said = _findings(one)
        told += [f"{whose(label, found)}{sentence}" for sentence in (said if len(found) == 1 else said[:1])]
    names = list(found)
    for label in names[1:]:
        first_stands, stands = (one.found.columns["fell_to"] == STANDS for one in (first, found[label]))
        gain = Difference.of(stands.double() - first_stands.double())
        told.append(f"{COMPARES}{names[0]}, {label} has {points(gain)} within {budget}.")
    blocks.append(
        Grid(
            caption="Accuracy in percent with 95 % intervals. The last columns: images that fell to each attack "
            "first, of those that the ones before it left standing.",
            head=("Model", "Clean", f"Within {budget}", *(f"Felled by {attack}" for attack in first.attacks)),
            rows=[
                (
                    label,
                    (
                        _entry(one.clean),
                        _entry(one.robust),
                        *(Entry(str(count), "", count) for count in one.felled),
                    ),
                )
                for label, one in found.items()
            ],
        )
    )
    blocks += _figures(found)
    for label, one in found.items():
        shown = adversarial_strips(one.found, page.originals, one.threat)
        if shown:
            blocks.append(Pictures(title=titled("Adversarial images", label, found), strips=shown))
    intro = (
        f"Accuracy on {len(first.found)} images, and what is left of it when each may be changed within {budget}. "
        "Every success was verified in float32: inside the ball, inside the box, misclassified."
    )
    return Section(
        key="adversarial",
        title="Under attack",
        intro=intro,
        findings=told,
        blocks=blocks,
    )


def _entry(value: Proportion) -> Entry:
    return measured({"": value.value}, {"": value.interval}, "")


def _findings(found: AdversarialAudit) -> list[str]:
    told = []
    if found.clean.count:
        share = found.robust.count / found.clean.count
        told.append(
            f"Of the {found.clean.count} images it gets right, {found.robust.count} ({percent(share)} %) withstand "
            f"every attack within {budget_text(str(found.threat))}."
        )
    by_class = found.by_class
    if len(by_class) > 1:
        worst = min(by_class, key=lambda name: by_class[name][1].value)
        best = max(by_class, key=lambda name: by_class[name][1].value)
        if by_class[worst][1].value < by_class[best][1].value:
            told.append(
                f"Least robust: {worst}, {percent(by_class[worst][1].value)} %; most robust: {best}, "
                f"{percent(by_class[best][1].value)} %."
            )
    middle = _median_distance(found)
    if middle is not None:
        norm = norm_text(str(found.threat))
        size = f"{255 * middle:.1f}/255" if isinstance(found.threat, Linf) else f"{middle:.3g}"
        told.append(f"Half of the images it gets right get another answer within {norm} {size}.")
    if not found.flags:
        told.append(
            "No reason to distrust these numbers was found. A stronger attack may yet lower them; none can raise "
            "them."
        )
    return told


def _median_distance(found: AdversarialAudit) -> float | None:
    if "nearest" not in found.found.columns:
        return None
    near = found.found.columns["nearest"]
    right = near[near > 0].sort().values
    if len(right) == 0:
        return None
    middle = float(right[len(right) // 2])
    return middle if math.isfinite(middle) else None


def _figures(found: dict[str, AdversarialAudit]) -> list[Figure]:
    """What can be drawn of all models together, and of each."""
    shown = []
    near = {label: one for label, one in found.items() if "nearest" in one.found.columns}
    if near:
        audited = next(iter(near.values())).threat
        distances = {label: one.found.columns["nearest"].tolist() for label, one in near.items()}
        shown += [
            Figure(
                title="Accuracy at every budget",
                caption="From the nearest adversarial image found for each image: an upper bound, as all robust "
                "accuracy is. Band: 95 % intervals.",
                drawing=robust_accuracy_curves(
                    [_curve(label, one) for label, one in near.items()], audited=audited, name="accuracy"
                ),
            ),
            Figure(
                title="How near the nearest adversarial image lies",
                caption="Images that were wrong as they are lie at 0.",
                drawing=distance_curves(distances, audited=audited, name="near"),
            ),
        ]
    for number, (label, one) in enumerate(found.items()):
        wrong = len(one.found) - one.clean.count
        pairs = list(zip(one.attacks, one.felled, strict=True))
        shown.append(
            Figure(
                title=titled("What became of the images", label, found),
                caption="In this order, each on what those before it left standing. A search for the nearest "
                "adversarial image looks around the fallen as well, for their distance; here it counts for what "
                "still stood.",
                drawing=felled_bars(wrong, pairs, one.robust.count, name=f"felled-{number}"),
            )
        )
        if len(one.by_class) > 1:
            few = f"The {SHOWN} least robust of {len(one.by_class)}. " if len(one.by_class) > SHOWN else ""
            shown.append(
                Figure(
                    title=titled("Class by class", label, found),
                    caption=f"{few}Whiskers: 95 % intervals.",
                    drawing=class_bars(list(one.by_class), _by_class(one), name=f"classes-{number}"),
                )
            )
    return shown


def _curve(label: str, found: AdversarialAudit) -> Curve:
    near = found.found.columns["nearest"]
    reach = float(near[near.isfinite()].max()) if bool(near.isfinite().any()) else 0.0
    eps = found.threat.eps if math.isfinite(found.threat.eps) else reach
    end = max(min(reach, 4 * eps), eps)
    budgets = sorted({0.0, eps, *(end * step / (POINTS - 1) for step in range(POINTS))})
    values = [found.accuracy_at(budget) for budget in budgets]
    return Curve(
        label=label,
        at=budgets,
        values=[one.value for one in values],
        intervals=[one.interval for one in values],
    )


def _by_class(found: AdversarialAudit) -> Sequence[Series]:
    columns: tuple[list[Proportion], list[Proportion]] = ([], [])
    for clean, robust in found.by_class.values():
        columns[0].append(clean)
        columns[1].append(robust)
    return [
        Series(
            label=label,
            values=[one.value for one in column],
            intervals=[one.interval for one in column],
            references=[None] * len(column),
        )
        for label, column in zip(("Clean", "Under attack"), columns, strict=True)
    ]


__all__ = ["attack_section"]
