"""What the report of a corrupted copy shows: one image under every corruption, and how to read the files."""

from typing import Any

from notbugs.app.repeating import duration, quoted
from notbugs.app.shift_blocks import human, one_image
from notbugs.data.labeled import LabeledImages
from notbugs.runs import Run
from notbugs.shifts import Corruption

_SMALL = 64
"""Images larger than this, in pixels to a side, are shown at two severities: the page stays one that can be sent."""


def corrupted(run: Run, result: dict[str, Any], originals: LabeledImages | None) -> dict[str, Any]:
    """The content of the page."""
    config, metrics = result["config"], result["metrics"]
    name, severities = config["data"]["name"], config["severities"]
    first = config["corruptions"][0]
    return {
        "template": "single.html",
        "title": f"notbugs: {run.path.name}",
        "headline": f"“{name}”-C: {metrics['n']} images under {metrics['corruptions']} corruptions",
        "facts": [
            ("Data", name),
            ("Images", str(metrics["n"])),
            ("Severities", ", ".join(f"{one:g}" for one in severities)),
            ("Layout", config["layout"]),
            ("Seed", str(config["seed"])),
            ("Time", duration(result["seconds"])),
        ],
        "has_intervals": False,
        "metrics": [(key, value, None) for key, value in metrics.items()],
        "strips": _strips(config, originals),
        "has_originals": originals is not None,
        "curves": [],
        "sets": [],
        "load": (
            f"import numpy as np\nimages = np.load({quoted(run.path / f'{first}.npy')})  # severity by severity\n"
            f"labels = np.load({quoted(run.path / 'labels.npy')})"
            if config["layout"] == "npy"
            else f'import notbugs as nb\ndata = nb.load("folder:{run.path / first}/{severities[0]:g}", split="all")'
        ),
    }


def _strips(config: dict[str, Any], originals: LabeledImages | None) -> list[Any]:
    if originals is None:
        return []
    severities = config["severities"]
    if max(originals.images.shape[2:]) > _SMALL:
        severities = list(dict.fromkeys([severities[len(severities) // 2], severities[-1]]))
    shown = []
    for name in config["corruptions"]:
        shifts = {f"{one:g}": Corruption(name, one) for one in severities}
        shown += one_image(originals, human(name).capitalize(), shifts, seed=config["seed"])
    return shown


__all__ = ["corrupted"]
