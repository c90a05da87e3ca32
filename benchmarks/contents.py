"""What a directory of runs holds, but for what says how long it took: two that did the same hold the same."""

import json
from pathlib import Path
from typing import Any

SECONDS = ("seconds", "stage_seconds")

SHOWN = "report.html"
"""Shows the seconds among everything else."""

WHERE = "provenance.json"
"""Says by which command, where and when: the same for the same command on the same machine alone."""


def contents(out: Path, *, apart: tuple[str, ...] = (SHOWN, WHERE)) -> dict[str, Any]:
    """Every file below `out` by its name there: its bytes; of a result all but its seconds.

    A write that was cut off may leave its hidden, temporary name behind, never a file that anyone reads.
    """
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or path.name in apart:
            continue
        name = str(path.relative_to(out))
        if path.name == "result.json":
            found[name] = {
                key: one for key, one in json.loads(path.read_text()).items() if key not in SECONDS
            }
        else:
            found[name] = path.read_bytes()
    return found
