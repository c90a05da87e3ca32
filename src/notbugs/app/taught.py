"""What the report of the theory shows: a section for each lesson, its charts, and every number beside its formula."""

from typing import Any

from notbugs.app.blocks import Entry, Figure, Grid, Section
from notbugs.app.charts import chart_drawing
from notbugs.app.repeating import duration
from notbugs.data.labeled import LabeledImages
from notbugs.foreign import require_within
from notbugs.jobs.teaching import read_lesson
from notbugs.lessons import Check, Lesson
from notbugs.runs import Run


def taught(run: Run, result: dict[str, Any], originals: LabeledImages | None) -> dict[str, Any]:
    """The content of the page."""
    lessons = {
        name: read_lesson(Run(require_within(run.path, result["lessons"][name])))
        for name in result["config"]["lessons"]
    }
    checks = [check for lesson in lessons.values() for check in lesson.checks]
    agree = sum(check.holds for check in checks)
    only = next(iter(lessons.values())) if len(lessons) == 1 else None
    return {
        "template": "sections.html",
        "title": f"notbugs: {run.path.name}",
        "headline": only.title if only else "What must be true: formulas beside experiments",
        "findings": [f"{agree} of {len(checks)} numbers that were computed agree with their formulas."],
        "facts": [
            ("Lessons", str(len(lessons))),
            ("Numbers compared", str(len(checks))),
            ("Seed", str(result["config"]["seed"])),
            ("Device", result["device"]),
            ("Time", duration(result["seconds"])),
        ],
        "summary": None,
        "sections": [_section(name, lesson) for name, lesson in lessons.items()],
        "beside": "a directory for each lesson",
        "strips": [],
        "has_originals": True,
        "curves": [],
        "sets": [],
    }


def _section(name: str, lesson: Lesson) -> Section:
    figures = [
        Figure(title=chart.title, caption=chart.caption, drawing=chart_drawing(chart, f"{name}-{number}"))
        for number, chart in enumerate(lesson.charts)
    ]
    return Section(
        key=name,
        title=lesson.title,
        intro=f"{lesson.claim} ({lesson.source})",
        findings=lesson.findings,
        blocks=[*figures, _grid(lesson)],
    )


def _grid(lesson: Lesson) -> Grid:
    agree = sum(check.holds for check in lesson.checks)
    return Grid(
        caption=f"By formula and by experiment: {agree} of {len(lesson.checks)} agree. Allowed are "
        "three standard errors of the experiment, or what is said with it.",
        folded="Every number",
        head=("Number", "By formula", "By experiment", "Apart", "Allowed", "Experiment"),
        rows=[(check.what, _row(check)) for check in lesson.checks],
    )


def _row(check: Check) -> tuple[Entry, ...]:
    apart = abs(check.found - check.formula)
    return (
        Entry(f"{check.formula:.5g}", order=check.formula),
        Entry(f"{check.found:.5g}", order=check.found),
        Entry(f"{apart:.2g}", "" if check.holds else "too far", apart),
        Entry(f"{check.allowed:.2g}", order=check.allowed),
        Entry(check.by),
    )


__all__ = ["taught"]
