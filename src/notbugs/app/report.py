"""The report of a run: one HTML file that holds everything it shows, made from what the run left on disk."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import jinja2

from notbugs.app.audited import audited
from notbugs.app.built import built_set
from notbugs.app.corrupted import corrupted
from notbugs.app.drawn import drawn
from notbugs.app.figures import stage_curves
from notbugs.app.naming import SETS, stage_title
from notbugs.app.pictures import first_shard, strips
from notbugs.app.repeating import duration, prose, quoted, reload_originals
from notbugs.app.rows import percent
from notbugs.app.studied import studied
from notbugs.app.taught import taught
from notbugs.data.labeled import LabeledImages
from notbugs.data.shards import ORIGIN
from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.foreign import from_json
from notbugs.locations import Location
from notbugs.room import is_out_of_memory
from notbugs.runs import Run

_KEYS = {"robust": "d_r", "nonrobust": "d_nr", "rand": "d_rand", "det": "d_det"}


def write_report(
    run: Run, *, originals: LabeledImages | None = None, data_root: Location | None = None
) -> Location:
    """Write `report.html` into a finished run directory, from what lies there.

    `originals` are the images that a study or build started from, shown beside what was made of them. Without
    them they are loaded again where that needs no download (`data_root`: local Parquet files), or left out. Raises
    NotbugsError if the run is unfinished.
    """
    with _readable(run):
        html = _page(run, originals, data_root)
    write_atomically(run.report, html)
    return run.report


@contextmanager
def _readable(run: Run) -> Iterator[None]:
    """Files of a run that somebody else has written, or changed, may say anything."""
    try:
        yield
    except NotbugsError:
        raise
    except (
        LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, RuntimeError,
        jinja2.TemplateError,
    ) as error:  # fmt: skip
        if is_out_of_memory(error):
            raise
        said = f"{type(error).__name__}: {str(error)[:200]}"
        raise NotbugsError(
            f"{run.path}: its files do not say what a report is made from ({said}); its command makes them again"
        ) from error


def _page(run: Run, originals: LabeledImages | None, data_root: Location | None) -> str:
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
    html.encode()  # half a surrogate is no text
    return html


_PAGES = {
    "study": studied, "audit": audited, "comparison": audited, "corrupt": corrupted, "draw": drawn,
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
        "curves": [("Training", *stage_curves(run.read_metrics(), "train"))] if run.read_metrics() else [],
        "sets": [built_set(run, title=title)] if is_built else [],
        "load": f"import notbugs as nb\nmodel = nb.load_model({quoted(run.model)})"
        if run.model.is_file()
        else "",
    }


def _shared(run: Run, result: Mapping[str, Any]) -> dict[str, Any]:
    stored = run.path / "provenance.json"
    provenance = from_json(stored.read_text()) if stored.is_file() else {"versions": {}, "machine": {}}
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
