"""What the report of a study shows: its claims, plots, every model on every measure, and what was built."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from notbugs.app.built import built_set
from notbugs.app.figures import Series, accuracy_bars, stage_curves
from notbugs.app.findings import FINDINGS, claimed, disagreements, falls_short, findings, headline
from notbugs.app.naming import begun_small, budget_text, model_title, set_title, stage_title, trained_on
from notbugs.app.pictures import first_shard, strips
from notbugs.app.plots import plot_drawing
from notbugs.app.repeating import duration, may_be_elsewhere, repeat_command
from notbugs.app.rows import Measure, Row, attack_text, percent, study_measures, study_rows
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.foreign import require_within
from notbugs.runs import Run


def studied(run: Run, result: dict[str, Any], originals: LabeledImages | None) -> dict[str, Any]:
    """The content of the page."""
    if "models" not in result:
        raise NotbugsError(f"{run.path} was made by an earlier version; its command makes it again")
    rows, measures = study_rows(result), study_measures(result)
    stages = {name: Run(require_within(run.path, path)) for name, path in result["stages"].items()}
    keys = [row.key for row in rows]
    classes = int(stages[keys[0]].config["model"]["classes"])
    study = result["config"]["study"]
    built = {key: stages[f"data_{key}"] for key, _ in result["sets"] if f"data_{key}" in stages}
    # The same images in every row: sets of other images than the training ones have no place beside these.
    titles = {key: set_title(result, key) for key in built if study["sets"][key]["of"] == "data"}
    shards = {title: first_shard(built[key]) for key, title in titles.items()}
    title, sentences = (
        claimed(result["verdicts"])
        if result["verdicts"]
        else (headline(rows, result["chance"]), findings(rows, measures, result["chance"]))
    )
    return {
        "template": "report.html",
        "title": f"notbugs: {study['name']}",
        "studied": result["question"]
        or f"What can a network learn from the robust features of “{result['config']['data']['name']}”, and what "
        "from the non-robust ones?",
        "headline": title,
        "findings": sentences,
        "facts": [
            ("Data", f"{result['config']['data']['name']}, {classes} classes"),
            ("Network", study["arch"]),
            ("Threat", budget_text(study["threat"])),
            ("Attack", attack_text(result)),
            ("Test images", _counts_text(rows, measures)),
            ("Seed", str(result["config"]["seed"])),
            ("Device", result["device"]),
            ("Time", f"{duration(result['seconds'])}, stages that ran at once added up"),
        ],
        "rows": rows,
        "measures": [measure for measure in measures if not measure.set],
        **_elsewhere(result, rows, measures),
        "trained_on": {key: trained_on(result, key) for key in keys},
        "verdicts": [{**one, "finding": FINDINGS[one["finding"]]} for one in result["verdicts"]],
        "plots": [
            plot_drawing(plot, result, f"plot-{number}") for number, plot in enumerate(result["plots"])
        ],
        "attacked_part": _attacked_part(rows, measures),
        "published_in": result.get("published_in", "") if result.get("published") else "",
        "has_published": bool(result.get("published")),
        "chance": result["chance"],
        "has_closed_forms": bool(result.get("expected")),
        "disagreements": disagreements(rows, measures),
        "falls_short": falls_short(rows, measures),
        "bars": _bars(rows, measures, result["chance"]),
        "strips": strips(
            shards, originals, {title: study["sets"][key]["builder"] for key, title in titles.items()}
        ),
        "has_originals": originals is not None,
        "curves": [
            (model_title(result, key), *stage_curves(stages[key].read_metrics(), key))
            for key, _ in result["models"]
            if key in stages and stages[key].metrics.is_file()
        ],
        "sets": [
            built_set(
                stage,
                title=set_title(result, key),
                teacher=f"the {begun_small(model_title(result, study['sets'][key]['by']))}",
                studied=study["threat"],
            )
            for key, stage in built.items()
        ],
        "stage_seconds": _stage_seconds(result),
        "command": repeat_command(result, run.path.parent),
        "may_be_elsewhere": may_be_elsewhere(study["source"]),
    }


def _elsewhere(result: Mapping[str, Any], rows: Sequence[Row], measures: Sequence[Measure]) -> dict[str, Any]:
    """What was measured on built sets: a line for each model and set, a column for each way to measure."""
    asked = [measure for measure in measures if measure.set]
    heads = list(dict.fromkeys(measure.title for measure in asked))
    lines = []
    for of, row in product(dict.fromkeys(measure.set for measure in asked), rows):
        cells = {m.title: row.cells[m.key] for m in asked if m.set == of and m.key in row.cells}
        if cells:
            lines.append((row.name, set_title(result, of), [(head, cells.get(head)) for head in heads]))
    return {"elsewhere": lines, "elsewhere_heads": heads}


def _bars(rows: Sequence[Row], measures: Sequence[Measure], chance: float) -> dict[str, str]:
    shown = [one for one in measures if one.key == "clean" or one.attacked]
    series = []
    for measure in shown:
        cells = [row.cells.get(measure.key) for row in rows]
        series.append(
            Series(
                label=measure.title,
                values=[cell.value if cell else None for cell in cells],
                intervals=[cell.interval if cell else None for cell in cells],
                references=[cell.reference if cell else None for cell in cells],
            )
        )
    names = [row.name for row in rows]
    alt = "Bar chart of accuracy in percent. " + " ".join(
        f"{row.name}: "
        + ", ".join(
            f"{m.title.lower()} {percent(row.cells[m.key].value)}" for m in shown if m.key in row.cells
        )
        + "."
        for row in rows
    )
    return {
        "wide": accuracy_bars(names, series, chance=chance, name="bars"),
        "narrow": accuracy_bars(names, series, chance=chance, narrow=True, name="bars-narrow"),
        "alt": alt,
    }


def _counts_text(rows: Sequence[Row], measures: Sequence[Measure]) -> str:
    def count(of: Measure) -> str:
        found = {row.cells[of.key].n for row in rows if of.key in row.cells}
        return " or ".join(str(n) for n in sorted(n for n in found if n is not None)) or "unknown"

    attacked = [measure for measure in measures if measure.attacked]
    return count(measures[0]) + (f", of them attacked {count(attacked[-1])}" if attacked else "")


def _attacked_part(rows: Sequence[Row], measures: Sequence[Measure]) -> int | None:
    """How many images were attacked, where that is fewer than the clean accuracy was counted on."""
    attacked = {row.cells[m.key].n for m in measures if m.attacked for row in rows if m.key in row.cells}
    clean = {row.cells["clean"].n for row in rows}
    return attacked.pop() if len(attacked) == 1 and attacked != clean else None


def _stage_seconds(result: Mapping[str, Any]) -> list[tuple[str, float]]:
    """What was done, in the order of the models; each set before the first model that learns from it."""
    seconds, models = result["stage_seconds"], result["config"]["study"]["models"]
    order = []
    for key, _ in result["models"]:
        tests = [stage for stage in seconds if stage == f"test_{key}" or stage.startswith(f"test_{key}.")]
        order += [
            (f"data_{models[key]['on']}", "built"), (key, "trained"), *((stage, "tested") for stage in tests),
        ]  # fmt: skip
    order += [(f"data_{key}", "built") for key, _ in result["sets"]]
    done = {stage: f"{stage_title(result, stage)}, {what}" for stage, what in order if stage in seconds}
    return [(name, seconds[stage]) for stage, name in done.items()]


__all__ = ["studied"]
