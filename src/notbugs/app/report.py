"""The report of a run: one HTML file that holds everything it shows, made from what the run left on disk."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from notbugs.app.audited import audited
from notbugs.app.built import built_set
from notbugs.app.corrupted import corrupted
from notbugs.app.drawn import drawn
from notbugs.app.figures import Series, accuracy_bars, training_curves
from notbugs.app.findings import FINDINGS, claimed, disagreements, falls_short, findings, headline
from notbugs.app.naming import SETS, budget_text, model_title, set_title, stage_title, trained_on
from notbugs.app.pictures import first_shard, strips
from notbugs.app.plots import plot_drawing
from notbugs.app.repeating import duration, may_be_elsewhere, prose, quoted, reload_originals, repeat_command
from notbugs.app.rows import Measure, Row, attack_text, percent, study_measures, study_rows
from notbugs.app.taught import taught
from notbugs.data.labeled import LabeledImages
from notbugs.data.shards import ORIGIN
from notbugs.files import write_atomically
from notbugs.runs import Run

_KEYS = {"robust": "d_r", "nonrobust": "d_nr", "rand": "d_rand", "det": "d_det"}


def write_report(run: Run, *, originals: LabeledImages | None = None, data_root: Path | None = None) -> Path:
    """Write `report.html` into a finished run directory, from what lies there.

    `originals` are the images that a study or build started from, shown beside what was made of them. Without
    them they are loaded again where that needs no download (`data_root`: local Parquet files), or left out. Raises
    NotbugsError if the run is unfinished.
    """
    result = run.result
    if originals is None or originals.digest != _digest_of_data(run):
        originals = (
            reload_originals(run, data_root)
            if result["command"] in ("study", "build", "audit", "comparison", "corrupt")
            else None
        )
    page = _shared(run, result) | _PAGES.get(result["command"], _single)(run, result, originals)
    if result["command"] in ("audit", "comparison", "theory"):
        page |= _script("sort.js")
    html = _templates().get_template(page.pop("template")).render(page)
    write_atomically(run.report, html)
    return run.report


def _study(run: Run, result: dict[str, Any], originals: LabeledImages | None) -> dict[str, Any]:
    rows, measures = study_rows(result), study_measures(result)
    stages = {name: Run(run.path / path) for name, path in result["stages"].items()}
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
        else (headline(rows, classes), findings(rows, measures, classes))
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
        "measures": measures,
        "trained_on": {key: trained_on(result, key) for key in keys},
        "verdicts": [{**one, "finding": FINDINGS[one["finding"]]} for one in result["verdicts"]],
        "plots": [
            plot_drawing(plot, result, f"plot-{number}") for number, plot in enumerate(result["plots"])
        ],
        "attacked_part": _attacked_part(rows, measures),
        "published_in": result.get("published_in", "") if result.get("published") else "",
        "has_published": bool(result.get("published")),
        "chance": 1 / classes,
        "has_closed_forms": bool(result.get("expected")),
        "disagreements": disagreements(rows, measures),
        "falls_short": falls_short(rows, measures),
        "bars": _bars(rows, measures, classes),
        "strips": strips(
            shards, originals, {title: study["sets"][key]["builder"] for key, title in titles.items()}
        ),
        "has_originals": originals is not None,
        "curves": [
            (model_title(result, key), *_curves(stages[key], key))
            for key in keys
            if stages[key].metrics.is_file()
        ],
        "sets": [
            built_set(
                stage,
                title=set_title(result, key),
                teacher=f"the {model_title(result, study['sets'][key]['by']).lower()}",
                studied=study["threat"],
            )
            for key, stage in built.items()
        ],
        "stage_seconds": _stage_seconds(result),
        "command": repeat_command(result, run.path.parent),
        "may_be_elsewhere": may_be_elsewhere(study["source"]),
    }


_PAGES = {
    "study": _study, "audit": audited, "comparison": audited, "corrupt": corrupted, "draw": drawn,
    "theory": taught,
}  # fmt: skip


def _single(run: Run, result: dict[str, Any], originals: LabeledImages | None) -> dict[str, Any]:
    """A training, a build, or any other run: its metrics, and what can be shown of it."""
    is_built = (run.path / ORIGIN).is_file()
    config = result["config"]
    data = config.get("data", {})
    name = data.get("name", "data")
    title = SETS.get(_KEYS.get(config.get("builder", {}).get("kind", ""), ""), "A data set")
    what = {
        "train": f"A model trained on “{name}”",
        "build": f"{title}, built from “{name}”",
    }.get(result["command"], f"{result['command']} of “{name}”")
    model = config.get("model")
    return {
        "template": "single.html",
        "title": f"notbugs: {run.path.name}",
        "headline": what,
        "facts": [
            ("Data", name),
            ("Network", model["arch"] if isinstance(model, dict) else f"model {str(model)[:12]}"),
            ("Seed", str(config.get("seed", ""))),
            ("Device", str(result.get("device", ""))),
            ("Time", duration(result.get("seconds", 0.0))),
        ],
        "has_intervals": bool(result.get("intervals")),
        "metrics": [
            (name, value, result.get("intervals", {}).get(name)) for name, value in result["metrics"].items()
        ],
        "strips": strips({title: first_shard(run)}, originals, {title: config["builder"]})
        if is_built
        else [],
        "has_originals": originals is not None,
        "curves": [("Training", *_curves(run, "train"))] if run.read_metrics() else [],
        "sets": [built_set(run, title=title)] if is_built else [],
        "load": f"import notbugs as nb\nmodel = nb.load_model({quoted(run.model)})"
        if run.model.is_file()
        else "",
    }


def _shared(run: Run, result: Mapping[str, Any]) -> dict[str, Any]:
    stored = run.path / "provenance.json"
    provenance = json.loads(stored.read_text()) if stored.is_file() else {"versions": {}, "machine": {}}
    return {
        "flags": [
            {"of": stage_title(result, flag["of"]), "reason": flag["reason"]}
            for flag in result.get("flags", [])
        ],
        "path": str(run.path),
        "provenance": provenance,
        "config": json.dumps(result["config"], indent=2, sort_keys=True, ensure_ascii=False),
        "seconds": result.get("seconds", 0.0),
    }


def _bars(rows: Sequence[Row], measures: Sequence[Measure], classes: int) -> dict[str, str]:
    shown = [measure for measure in measures if measure.key == "clean" or measure.attacked]
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
        "wide": accuracy_bars(names, series, chance=1 / classes, name="bars"),
        "narrow": accuracy_bars(names, series, chance=1 / classes, narrow=True, name="bars-narrow"),
        "alt": alt,
    }


def _curves(stage: Run, key: str) -> tuple[str, str]:
    """Figure and words."""
    history = stage.read_metrics()
    if not history:
        return "", ""
    last = history[-1]
    held_out = last.get("validation_accuracy")
    alt = (
        f"Training curves over {len(history)} epochs, ending at loss {last['loss']:.3f}, "
        f"training accuracy {percent(last['accuracy'])} %"
        + (f", validation accuracy {percent(held_out)} %." if held_out is not None else ".")
    )
    return training_curves(history, name=f"curves-{key.replace('_', '-')}"), alt


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
        tests = [stage for stage in seconds if stage == f"test_{key}" or stage.startswith(f"test_{key}_")]
        order += [
            (f"data_{models[key]['on']}", "built"), (key, "trained"), *((stage, "tested") for stage in tests),
        ]  # fmt: skip
    order += [(f"data_{key}", "built") for key, _ in result["sets"]]
    done = {stage: f"{stage_title(result, stage)}, {what}" for stage, what in order if stage in seconds}
    return [(name, seconds[stage]) for stage, name in done.items()]


def _digest_of_data(run: Run) -> str:
    return str(run.config.get("data", {}).get("digest", ""))


def _script(name: str) -> dict[str, str]:
    """A script of the templates, and the digest that the page's content policy lets it run by."""
    loader = _templates().loader
    assert loader is not None
    text = loader.get_source(_templates(), name)[0]
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"script": text, "script_digest": f"sha256-{digest}"}


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("notbugs.app"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["prose"] = prose
    return environment


__all__ = ["write_report"]
