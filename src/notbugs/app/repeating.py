"""How a run is made again: its command, its images, and how long that takes."""

import json
import re
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from notbugs import recipes
from notbugs.data import load
from notbugs.data.labeled import LabeledImages
from notbugs.description import describe
from notbugs.errors import NotbugsError
from notbugs.locations import Location
from notbugs.runs import Run


def repeat_command(result: Mapping[str, Any], out: Location = Path("runs")) -> str:
    """The command of a study; empty if no command makes it, because its recipe is not one of the package's.

    `out` is the root of its run directory, named where it is not the default.
    """
    study = result["config"]["study"]
    named = [
        (key, made())
        for key, made in (recipes.STUDIES | recipes.CONTROLS).items()
        if made().name == study["name"]
    ]
    if not named:
        return ""
    key, recipe = named[0]
    known = describe(recipe.computed())
    command = ["notbugs", "study", *(["cifar10", "--recipe", "paper"] if key == "paper" else [key])]
    if study["source"] != known["source"]:
        command += ["--data", shell_word(study["source"])]
    if study["arch"] != known["arch"]:
        command += ["--arch", study["arch"]]
    if _computed(study) != _computed(known):
        return ""
    command += ["--seed", str(result["config"]["seed"])]
    if result["config"]["precision"] != "auto":
        command += ["--precision", result["config"]["precision"]]
    if out != Path("runs"):
        command += ["--out", shell_word(str(out))]
    return " ".join(command)


def may_be_elsewhere(source: str) -> bool:
    """Whether the images come from the hub unless `--data-root` says where they lie."""
    return source.partition(":")[0] in ("cifar10", "hf")


def _computed(study: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in study.items() if name not in ("source", "arch")}


def reload_originals(run: Run, data_root: Location | None = None) -> LabeledImages | None:
    """The images that the run started from, if they can be had without a download and are the same ones."""
    config = run.config
    data = config.get("data", {})
    source = config.get("study", {}).get("source") or data.get("name", "")
    is_local = re.match(r"(tagged:)?((planted|planted-spurious|digits)(@|$)|(folder|parquet|built):)", source)
    if "://" in source or (
        not is_local and data_root is None
    ):  # what a file names is not asked for elsewhere
        return None
    # An audit looks at the first images of a part, most often the test set. A stage of a study has a seed of its own;
    # the images were then drawn by the study's, 0 unless asked otherwise.
    splits = (
        ("test", "train", "all")
        if config.get("command") in ("audit", "comparison", "corrupt")
        else ("train",)
    )
    for split, seed in product(splits, dict.fromkeys((config.get("seed", 0), 0))):
        try:
            found = load(source, split=split, root=data_root, seed=seed).part(config.get("n", sys.maxsize))
        except (NotbugsError, OSError, ValueError, RecursionError):
            return None
        if found.digest == data.get("digest"):
            return found
    return None


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(7.25), duration(130), duration(7400)
    ('7.2 s', '2 min 10 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def prose(text: str) -> Markup:
    """Escaped; the four data sets with their subscripts, and no line break inside a number with its unit."""
    kept = re.sub(r"(\d) %", "\\1\u00a0%", re.sub(r"(\S) ε = ", "\\1\u00a0ε\u00a0=\u00a0", text))
    return Markup(re.sub(r"\bD_(rand|det|NR|R)\b", r"D<sub>\1</sub>", str(escape(kept))))


def shell_word(word: str) -> str:
    """A word of a command, quoted where a shell would take it apart."""
    return word if re.fullmatch(r"[\w:,./-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def quoted(text: str | Location) -> str:
    """Text in double quotes, for Python.

    >>> quoted('a "b"')
    '"a \\\\"b\\\\""'
    """
    return json.dumps(str(text), ensure_ascii=False)


__all__ = [
    "duration", "may_be_elsewhere", "prose", "quoted", "reload_originals", "repeat_command", "shell_word",
]  # fmt: skip
