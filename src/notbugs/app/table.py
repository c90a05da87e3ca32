"""Results as tables in a terminal: the number, its interval, and beside it what it should be."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from notbugs.app.rows import Cell, attack_text, percent, study_measures, study_rows

_SHORT = {
    "clean": "clean",
    "relabelled": "labels y + 1",
    "follows_robust": "follows shape",
    "follows_nonrobust": "follows pattern",
}


def study_table(result: Mapping[str, Any]) -> Table:
    """The models of a study, one a row; accuracies in percent with 95 % intervals."""
    measures = study_measures(result)
    sources = {cell.source for row in study_rows(result) for cell in row.cells.values() if cell.source}
    notes = [f"under attack: {attack_text(result)}; percent [95 % interval]"]
    if sources:
        beside = " and ".join(sorted(sources))
        notes.append(f"in brackets: {beside}; * differs by more than chance explains")
    table = Table(caption="\n".join(notes), caption_justify="left", pad_edge=False)
    table.add_column("model", no_wrap=True)
    for measure in measures:
        short = _SHORT.get(measure.key) or measure.title.removeprefix("Under attack, ")
        table.add_column(short, justify="right")
    for row in study_rows(result):
        cells = [_cell_text(row.cells[m.key]) if m.key in row.cells else Text("") for m in measures]
        table.add_row(row.name, *cells)
    return table


def metrics_table(result: Mapping[str, Any]) -> Table:
    """Any other result: one metric a row."""
    intervals = result.get("intervals", {})
    table = Table(pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right")
    if intervals:
        table.add_column("95 % interval", justify="right")
    for name, value in result["metrics"].items():
        low_high = intervals.get(name)
        interval = [f"{low_high[0]:.4g} to {low_high[1]:.4g}" if low_high else ""] if intervals else []
        table.add_row(Text(name), f"{value:.4g}" if isinstance(value, float) else str(value), *interval)
    return table


def _cell_text(cell: Cell) -> Text:
    text = Text(percent(cell.value), style="bold")
    text.append(f"\n[{percent(cell.interval[0])}, {percent(cell.interval[1])}]", style="dim")
    if cell.reference is not None:
        text.append(f"\n({percent(cell.reference)}){'' if cell.agrees else '*'}", style="cyan")
    return text


__all__ = ["metrics_table", "study_table"]
