"""What the report of a drawing shows: the sheet, row by row, the way there, and what was measured."""

from typing import Any

from notbugs.app.pictures import Picture, Strip, strip
from notbugs.app.repeating import duration
from notbugs.data.labeled import LabeledImages
from notbugs.drawings import TASKS
from notbugs.jobs.drawing import ANIMATION, read_sheet
from notbugs.notebook import data_uri
from notbugs.runs import Run


def drawn(run: Run, result: dict[str, Any], originals: LabeledImages | None) -> dict[str, Any]:
    """The content of the page."""
    config = result["config"]
    intervals = result["intervals"]
    return {
        "template": "single.html",
        "title": f"notbugs: {run.path.name}",
        "headline": TASKS[config["task"]].about.rstrip("."),
        "facts": [
            ("Drawn by", config["named"]),
            ("From", config["data"]["name"]),
            ("Images", str(config["n"])),
            ("Seed", str(config["seed"])),
            ("Device", result["device"]),
            ("Time", duration(result["seconds"])),
        ],
        "has_intervals": True,
        "metrics": [(key, value, intervals.get(key)) for key, value in result["metrics"].items()],
        "strips": _strips(run),
        "has_originals": True,
        "curves": [],
        "sets": [],
        "load": "",
    }


def _strips(run: Run) -> list[Strip]:
    shown = []
    for row, images in read_sheet(run):
        captions = row["captions"] or [""] * len(images)
        shown.append(strip(row["title"], row["note"], images, captions))
    moving = run.path / ANIMATION
    if moving.is_file():
        uri = data_uri(moving.read_bytes(), "image/webp")
        way = Picture(uri=uri, caption="", alt="The way there, as an animation")
        shown.append(
            Strip(
                title="The way there",
                note="from the start to the end, over again",
                pictures=(way,),
                wide=True,
            )
        )
    return shown


__all__ = ["drawn"]
