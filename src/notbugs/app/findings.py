"""What a study found, in sentences made from its numbers; other numbers make other sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from notbugs.app.naming import begun_small
from notbugs.app.rows import Cell, Measure, Row, percent

FINDINGS = {"agrees": "As expected", "disagrees": "Not as expected", "undecided": "Open"}


def claimed(verdicts: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """Headline and sentences of a study that was made to test claims."""
    count = {finding: sum(one["finding"] == finding for one in verdicts) for finding in FINDINGS}
    counted = [f"{n} {'is' if n == 1 else 'are'} {said}" for said, n in (
        ("as expected", count["agrees"]), ("the other way round", count["disagrees"]),
        ("undecided at this number of images", count["undecided"]),
    ) if n]  # fmt: skip
    title = f"{len(verdicts)} expectation{'s' if len(verdicts) > 1 else ''}: {', '.join(counted)}."
    return title, [
        f"{FINDINGS[one['finding']]}: {begun_small(one['says'])}, {one['found']}." for one in verdicts
    ]


def headline(rows: Sequence[Row], chance: float) -> str:
    """The finding that the study was made for; `chance` is what guessing gets right."""
    best = _telling(rows, chance)
    if best:
        cell = next(row.cells["clean"] for row in rows if row.key == best)
        labels = "are all wrong" if best == "d_det" else "were drawn at random"
        if cell.interval[0] > chance:
            return (
                f"A model trained only on images whose labels {labels} still gets {percent(cell.value)} % "
                f"of the real test set right."
            )
        return (
            f"Models trained on relabelled images found nothing that helps on the real test set: "
            f"{percent(cell.value)} %, where guessing gives {percent(chance)} %."
        )
    best_row = max(rows, key=lambda row: row.cells["clean"].value)
    return f"{best_row.name}: {percent(best_row.cells['clean'].value)} % of the test set right."


def findings(rows: Sequence[Row], measures: Sequence[Measure], chance: float) -> list[str]:
    """Further sentences, one an observation."""
    cells = {row.key: row.cells for row in rows}
    told = _telling(rows, chance)
    attacked = [measure for measure in measures if measure.attacked]
    half = attacked[0] if attacked else None
    said = []
    if half is not None:
        at = half.title.removeprefix("Under attack, ")
        if "d_r" in cells:
            ours, theirs = cells["d_r"][half.key], cells["standard"][half.key]
            gain = "keeps" if ours.interval[0] > theirs.interval[1] else "keeps no more than"
            said.append(
                f"Trained the ordinary way, without any adversary, the student of D_R {gain} "
                f"{_of(ours)} under attack at {at}; the standard model keeps {_of(theirs)}."
            )
        said += _audited(cells.get("d_r", {}), measures)
        if "d_nr" in cells:
            clean, under = cells["d_nr"]["clean"], cells["d_nr"][half.key]
            said.append(
                f"The student of D_NR, which sees only what the standard model sees, is right on {_of(clean)} "
                f"of the clean images and on {_of(under)} under the same attack."
            )
    for key, labels in (("d_rand", "random"), ("d_det", "all wrong")):
        if key in cells and key != told:
            cell = cells[key]["clean"]
            said.append(
                f"Labels {labels}: the student of {'D_rand' if key == 'd_rand' else 'D_det'} is right on "
                f"{_of(cell)} of the real test set; guessing gives {percent(chance)} %."
            )
    for row in rows:
        said += _followed(row.name, row.cells) if row.key in ("robust", "d_rand") else []
    return said


def disagreements(rows: Sequence[Row], measures: Sequence[Measure]) -> list[str]:
    """Where number and reference part beyond the interval: large gaps one by one, the small ones together."""
    titles = {measure.key: begun_small(measure.title) for measure in measures}
    large: list[tuple[float, str]] = []
    small: list[tuple[float, str]] = []
    for row in rows:
        for key, cell in row.cells.items():
            if cell.agrees:
                continue
            gap = cell.beyond
            way = "above" if gap > 0 else "below"
            text = (
                f"{row.name}, {titles.get(key, key)}: {percent(cell.value)} %, "
                f"{percent(abs(gap))} points {way} the {_named(cell)}."
            )
            (large if abs(gap) > 0.03 else small).append((abs(gap), text))
    sentences = [text for _, text in sorted(large, reverse=True)]
    if small:
        most = percent(max(gap for gap, _ in small))
        cells = "cell differs" if len(small) == 1 else "cells differ"
        sentences.append(
            f"{len(small)} further {cells} by more than chance explains, by at most {most} points."
        )
    return sentences


def falls_short(rows: Sequence[Row], measures: Sequence[Measure]) -> bool:
    """Whether a model scores less under attack than the closed form of the feature that it should follow."""
    attacked = [measure.key for measure in measures if measure.attacked]
    cells = [row.cells[key] for row in rows for key in attacked if key in row.cells]
    return any(cell.source == "closed form" and not cell.agrees and cell.beyond < 0 for cell in cells)


def _telling(rows: Sequence[Row], chance: float) -> str:
    """Which relabelled set to speak of first: D_det, the purer one, unless only D_rand has something to say."""
    cells = {row.key: row.cells["clean"] for row in rows if row.key in ("d_rand", "d_det")}
    if "d_det" in cells and (cells["d_det"].interval[0] > 2 * chance or cells["d_det"].value > 0.55):
        return "d_det"
    return max(cells, key=lambda key: cells[key].value, default="")


def _audited(cells: Mapping[str, Cell], measures: Sequence[Measure]) -> list[str]:
    """What is left of the D_R student's robustness after stronger attacks: whether it was there is disputed."""
    said = []
    for audit in measures:
        at = audit.title.rpartition(", ")[2]
        weak = next((one.key for one in measures if one.attacked and one.title.endswith(at)), "")
        if audit.audit and audit.key in cells and weak in cells:
            said.append(
                f"{percent(cells[audit.key].value)} % at {at} (by PGD alone {percent(cells[weak].value)} %)"
            )
    return [f"After a full audit the student of D_R keeps {' and '.join(said)}."] if said else []


def _of(cell: Cell) -> str:
    return f"{percent(cell.value)} %"


def _named(cell: Cell) -> str:
    if cell.between is not None:
        return f"closed forms’ range, {percent(cell.between[0])} to {percent(cell.between[1])} %"
    return f"{'paper’s' if cell.source == 'paper' else 'closed form’s'} {percent(cell.reference or 0.0)} %"


def _followed(name: str, cells: Mapping[str, Cell]) -> list[str]:
    if "follows_robust" not in cells or "follows_nonrobust" not in cells:
        return []
    shape, pattern = cells["follows_robust"].value, cells["follows_nonrobust"].value
    first, second = ("shape", "pattern") if shape >= pattern else ("pattern", "shape")
    return [
        f"{name}: its answer is the class of the planted {first} on {percent(max(shape, pattern))} % of the "
        f"images, of the planted {second} on {percent(min(shape, pattern))} %."
    ]
