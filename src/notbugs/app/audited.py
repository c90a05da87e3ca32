"""What the report of an audit shows: the numbers of every model side by side, and a section for each kind of test."""

from collections.abc import Callable
from typing import Any

from notbugs.app.audit_attacks import attack_section
from notbugs.app.audit_features import feature_section
from notbugs.app.audit_looks import frequency_section, region_section, saliency_section
from notbugs.app.audit_reliance import reliance_section
from notbugs.app.audit_shifts import corruption_section
from notbugs.app.audited_models import Audited, Page, audited_models, leads
from notbugs.app.blocks import Entry, Grid, Section
from notbugs.app.naming import budget_text
from notbugs.app.repeating import duration
from notbugs.app.rows import percent
from notbugs.data.labeled import LabeledImages
from notbugs.runs import Run

_MAKERS: dict[str, Callable[[Page], Section]] = {
    "adversarial": attack_section,
    "corruption": corruption_section,
    "frequency": frequency_section,
    "reliance": reliance_section,
    "features": feature_section,
    "regions": region_section,
    "saliency": saliency_section,
}


def audited(run: Run, result: dict[str, Any], originals: LabeledImages | None) -> dict[str, Any]:
    """The content of the page."""
    config, models = result["config"], audited_models(run, result)
    page = Page(models=models, originals=originals, classes=len(result["class_names"]))
    sections = [make(page) for name, make in _MAKERS.items() if page.having(name)]
    return {
        "template": "sections.html",
        "title": f"notbugs: {run.path.name}",
        "headline": _headline(models, config),
        "findings": [said for section in sections for said in leads(section.findings, models=len(models))],
        "facts": [
            (
                "Models" if len(models) > 1 else "Model",
                ", ".join(str(one["named"]) for one in config["models"]),
            ),
            ("Data", config["data"]["name"]),
            ("Images", str(config["n"])),
            ("Threat", budget_text(config["threat"])),
            ("Seed", str(config["seed"])),
            ("Device", result["device"]),
            ("Time", duration(result["seconds"])),
        ],
        "summary": _summary(models),
        "sections": sections,
        "beside": "a directory for each section of each model, the adversarial images in shards of exact float32",
        "strips": [],
        "has_originals": originals is not None,
        "curves": [],
        "sets": [],
    }


def _headline(models: tuple[Audited, ...], config: dict[str, Any]) -> str:
    name = config["data"]["name"]
    if len(models) > 1:
        return f"What {len(models)} models rely on, on {name}"
    first = next(iter(models[0].results))
    said = (
        f"Right on {percent(models[0].value(first, 'clean_accuracy'))} % of {name}" if first in _CLEAN else ""
    )
    if "adversarial" in models[0].results:
        robust = percent(models[0].value("adversarial", "robust_accuracy"))
        return f"{said}, and on {robust} % under attack within {budget_text(config['threat'])}"
    if "corruption" in models[0].results:
        return f"{said}, and on {percent(models[0].value('corruption', 'mean'))} % under common corruptions"
    return said or f"What a model looks at, on {name}"


_CLEAN = ("adversarial", "corruption", "frequency", "reliance")
"""Sections that know the accuracy on the images as they are."""


def _summary(models: tuple[Audited, ...]) -> Grid | None:
    """One row a model, the numbers that people look for first."""
    wanted = [
        ("Clean", [(section, "clean_accuracy") for section in _CLEAN]),
        ("Under attack", [("adversarial", "robust_accuracy")]),
        ("Corrupted", [("corruption", "mean")]),
        ("Fog", [("corruption", "fog.mean")]),
        ("Gaussian noise", [("corruption", "gaussian_noise.mean")]),
        ("No high frequencies", [("reliance", "high frequencies.without")]),
        ("No low frequencies", [("reliance", "low frequencies.without")]),
        ("No tag", [("reliance", "spurious.without")]),
    ]
    columns: list[tuple[str, list[Entry]]] = []
    for head, places in wanted:
        entries = []
        for model in models:
            known = [
                (section, key)
                for section, key in places
                if key in model.results.get(section, {"metrics": {}})["metrics"]
            ]
            entries.append(model.entry(*known[0]) if known else Entry(""))
        if any(entry.text for entry in entries):
            columns.append((head, entries))
    if not columns:
        return None
    return Grid(
        caption="Accuracy in percent with 95 % intervals.",
        head=("Model", *(head for head, _ in columns)),
        rows=[
            (model.label, tuple(entries[row] for _, entries in columns)) for row, model in enumerate(models)
        ],
    )


__all__ = ["audited"]
