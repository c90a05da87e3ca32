"""Results as tables in a terminal: the number, its interval, and beside it what it should be."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from notbugs.app.audited_models import short_names
from notbugs.app.findings import FINDINGS
from notbugs.app.naming import SETS, begun_small, set_title
from notbugs.app.rows import Cell, Row, percent, study_measures, study_rows

_SHORT = {
    "clean": "clean",
    "relabelled": "y + 1",
    "preceding": "y − 1",
    "follows_robust": "shape",
    "follows_nonrobust": "pattern",
}


def study_table(result: Mapping[str, Any]) -> Table:
    """The models of a study, one a row; accuracies in percent. Fits a terminal of 80 columns."""
    measures = [one for one in study_measures(result) if not (one.audit or one.set)]
    rows = study_rows(result)
    table = Table(
        caption=_notes(result),
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("accuracy, %", no_wrap=True)
    for measure in measures:
        short = _SHORT.get(measure.key) or f"ε {measure.title.rpartition(' = ')[2]}"
        table.add_column(short, justify="right", no_wrap=True)
    for row in rows:
        cells = [_cell_text(row.cells[m.key]) if m.key in row.cells else Text("") for m in measures]
        table.add_row(_short_name(row), *cells)
    return table


def _short_name(row: Row) -> str:
    """A word or two: the numbers need the room."""
    return SETS.get(row.key) or row.key.replace("_", " ").capitalize()


def _notes(result: Mapping[str, Any]) -> str:
    cells = [cell for row in study_rows(result) for cell in row.cells.values()]
    attacked = [measure for measure in study_measures(result) if measure.attacked]
    notes = ["±: 95 % interval, its longer side", "D_…: the student of that data set"]
    for one in attacked[:1]:
        norm = one.title.removeprefix("Under attack, ").partition(" ")[0]
        notes.append(f"ε: under attack within that {norm} distance, {one.how}")
    for row in study_rows(result):
        audits = [
            f"ε {one.title.rpartition(' = ')[2]}: {_cell_text(row.cells[one.key]).plain}"
            for one in study_measures(result)
            if one.audit and one.key in row.cells
        ]
        if audits:
            suite = result["config"]["study"]["suite"]
            notes.append(f"{_short_name(row)}, audited (suite {suite}): {', '.join(audits)}")
        for one in study_measures(result):
            if one.set and one.key in row.cells:
                measure = begun_small(one.title)
                number = _cell_text(row.cells[one.key]).plain
                notes.append(f"{_short_name(row)} on {set_title(result, one.set)}, {measure}: {number}")
    measured = {name.partition(".")[2] for name in result["metrics"]}
    if "relabelled" in measured:
        notes.append("y + 1: counted against the next class")
    if "preceding" in measured:
        notes.append("y − 1: counted against the class before")
    if "follows_robust" in measured:
        notes.append("shape, pattern: gives the class of the planted feature")
    sources = sorted({cell.source for cell in cells if cell.source})
    if sources:
        notes.append(f"in brackets: {' or '.join(sources)}; * outside our interval")
    return "\n" + "\n".join(notes)


def verdict_table(result: Mapping[str, Any]) -> Table:
    """What was expected of a study, where from, and what came of it: a claim a row."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in ("expected", "here", "finding"):
        table.add_column(title, no_wrap=title == "finding")
    for one in result["verdicts"]:
        source = f"\n{one['source']}" + (f": {one['published']}" if one["published"] else "")
        style = {"agrees": "", "disagrees": "bold red", "undecided": "yellow"}[one["finding"]]
        table.add_row(
            Text(one["says"]).append(source, style="dim"),
            Text(one["found"]),
            Text(FINDINGS[one["finding"]].lower(), style=style),
        )
    return table


def audit_table(result: Mapping[str, Any]) -> Table:
    """One column a model: accuracy as the images are, under attack, corrupted, without families of features.

    Every number beyond these is in the report and in result.json.
    """
    names = short_names([one["named"] for one in result["config"]["models"]])
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(f"accuracy, %  (n = {result['config']['n']})")
    for name in names:
        table.add_column(Text(name), justify="right")
    threat, several = result["config"]["threat"], len(names) > 1
    prefixes = (
        names if result["command"] == "comparison" else [str(number + 1) for number in range(len(names))]
    )
    metrics, intervals = result["metrics"], result["intervals"]
    first = f"{prefixes[0]}." if several else ""
    of_first = [key.removeprefix(first) for key in metrics if key.startswith(first)]
    rows = [("as they are", "clean_accuracy"), (f"under attack, {threat}", "robust_accuracy")]
    rows += [("corrupted, mean", "corruption.mean")]
    rows += [
        (f"{key.split('.')[1]}, mean".replace("_", " "), key)
        for key in of_first
        if key.startswith("corruption.") and key.endswith(".mean") and key.count(".") == 2
    ]
    rows += [
        (f"without {key.split('.')[1]}", key)
        for key in of_first
        if key.startswith("reliance.") and key.endswith(".without")
    ]
    rows += [
        ("single features: robust", "features.robust"),
        ("single features: useful, not robust", "features.nonrobust"),
        ("follow the strongest region", "regions.strongest"),
        ("follow the mask", "regions.mask.follows"),
        ("in conflict: follow robust features", "conflict.robust"),
        ("in conflict: follow the rest", "conflict.rest"),
    ]
    for title, key in rows:
        cells = [f"{prefix}.{key}" for prefix in prefixes] if several else [key]
        if not any(cell in metrics for cell in cells):
            continue
        texts = [
            _number(metrics[cell], intervals[cell]) if cell in metrics else Text("–", style="dim")
            for cell in cells
        ]
        table.add_row(Text(title), *texts)
    return table


def metrics_table(result: Mapping[str, Any]) -> Table:
    """Any other result: one metric a row."""
    intervals = result.get("intervals", {})
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right")
    if intervals:
        table.add_column("95 % interval", justify="right")
    for name, value in result["metrics"].items():
        low_high = intervals.get(name)
        interval = [f"{low_high[0]:.4g} to {low_high[1]:.4g}" if low_high else ""] if intervals else []
        table.add_row(Text(name), f"{value:.4g}" if isinstance(value, float) else str(value), *interval)
    return table


def _number(value: float, interval: Sequence[float]) -> Text:
    """A share in percent and how far its interval reaches: both ways, or each, where near 0 or 1 they differ."""
    low, high = interval
    down, up = percent(value - low), percent(high - value)
    reach = f"±{up}" if abs(float(up) - float(down)) < 0.25 else f"+{up}−{down}"
    return Text(percent(value), style="bold").append(reach, style="not bold dim")


def _cell_text(cell: Cell) -> Text:
    text = _number(cell.value, cell.interval)
    mark = " " if cell.agrees else "*"
    if cell.between is not None:
        text.append(f"\n({percent(cell.between[0])}…{percent(cell.between[1])}){mark}", style="not bold cyan")
    elif cell.reference is not None:
        text.append(f"\n({percent(cell.reference)}){mark}", style="not bold cyan")
    return text


__all__ = ["audit_table", "metrics_table", "study_table", "verdict_table"]
