"""What the report of an audit shows: its numbers, which attack felled what, how near, and the images themselves."""

import math
from collections.abc import Sequence
from typing import Any

from notbugs.app.audit_bars import SHOWN, class_bars, felled_bars
from notbugs.app.audit_curves import Curve, distance_curves, robust_accuracy_curves
from notbugs.app.figures import Series
from notbugs.app.pictures import adversarial_strips
from notbugs.app.repeating import duration
from notbugs.app.rows import budget_text, norm_text, percent
from notbugs.app.svg import Drawing
from notbugs.audits import AdversarialAudit, Proportion
from notbugs.data.labeled import LabeledImages
from notbugs.jobs import read_audit
from notbugs.runs import Run
from notbugs.threats import Linf

POINTS = 25
"""Budgets at which the curve of robust accuracy is drawn; the audited one is one of them."""


def audited(run: Run, result: dict[str, Any], originals: LabeledImages | None) -> dict[str, Any]:
    """The content of the page."""
    found = read_audit(run)
    config = result["config"]
    return {
        "template": "audit.html",
        "title": f"notbugs: {run.path.name}",
        "headline": f"Right on {percent(found.clean_accuracy)} % of {config['data']['name']}, and on "
        f"{percent(found.robust_accuracy)} % under attack within {budget_text(str(found.threat))}",
        "findings": _findings(found),
        "facts": [
            ("Model", str(config["named"])),
            ("Data", config["data"]["name"]),
            ("Images", str(len(found.found))),
            ("Threat", budget_text(str(found.threat))),
            ("Attacks", ", ".join(found.attacks)),
            ("Seed", str(config["seed"])),
            ("Device", result["device"]),
            ("Time", duration(result["seconds"])),
        ],
        "accuracies": [
            ("Clean", found.clean),
            (f"Under attack, {budget_text(str(found.threat))}", found.robust),
        ],
        "figures": _figures(found),
        "felled": _felled(found),
        "strips": adversarial_strips(found.found, originals, found.threat),
        "has_originals": originals is not None,
        "curves": [],
        "sets": [],
    }


def _findings(found: AdversarialAudit) -> list[str]:
    told = []
    if found.clean.count:
        share = found.robust.count / found.clean.count
        told.append(
            f"Of the {found.clean.count} images it gets right, {found.robust.count} ({percent(share)} %) withstand "
            f"every attack; each success was verified in float32, in ball and box."
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
            "No reason to distrust the numbers was found. A stronger attack may yet lower them; none can raise them."
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


def _figures(found: AdversarialAudit) -> list[tuple[str, str, Drawing]]:
    """Title, caption and drawing of each figure."""
    wrong = len(found.found) - found.clean.count
    pairs = list(zip(found.attacks, found.felled, strict=True))
    shown = [
        (
            "What became of the images",
            "In this order, each on what those before it left standing. A search for the nearest adversarial image "
            "looks around the fallen as well, for their distance; here it counts for what still stood.",
            felled_bars(wrong, pairs, found.robust.count, name="felled"),
        )
    ]
    if "nearest" in found.found.columns:
        shown += [
            (
                "Accuracy at every budget",
                "From the nearest adversarial image found for each image: an upper bound, as all robust accuracy is. "
                "Band: 95 % intervals.",
                robust_accuracy_curves([_curve(found)], audited=found.threat, name="accuracy"),
            ),
            (
                "How near the nearest adversarial image lies",
                "Images that were wrong as they are lie at 0.",
                distance_curves(
                    {"this model": found.found.columns["nearest"].tolist()}, audited=found.threat, name="near"
                ),
            ),
        ]
    if len(found.by_class) > 1:
        few = f"The {SHOWN} least robust of {len(found.by_class)}. " if len(found.by_class) > SHOWN else ""
        shown.append(
            (
                "Class by class",
                f"{few}Whiskers: 95 % intervals.",
                class_bars(list(found.by_class), _by_class(found), name="classes"),
            )
        )
    return shown


def _curve(found: AdversarialAudit) -> Curve:
    near = found.found.columns["nearest"]
    reach = float(near[near.isfinite()].max()) if bool(near.isfinite().any()) else 0.0
    eps = found.threat.eps if math.isfinite(found.threat.eps) else reach
    end = max(min(reach, 4 * eps), eps)
    budgets = sorted({0.0, eps, *(end * step / (POINTS - 1) for step in range(POINTS))})
    values = [found.accuracy_at(budget) for budget in budgets]
    return Curve(
        label="this model",
        eps=budgets,
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


def _felled(found: AdversarialAudit) -> list[tuple[str, int, int]]:
    """Attack, images it was given, images it felled first."""
    standing, rows = found.clean.count, []
    for attack, count in zip(found.attacks, found.felled, strict=True):
        rows.append((attack, standing, count))
        standing -= count
    return rows


__all__ = ["audited"]
