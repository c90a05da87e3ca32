"""A study that somebody wrote with values of the wrong kind: one line, and none of Python's errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_values_of_another_kind_are_refused():
    paths = os.pathsep.join(str(ROOT / part) for part in ("src", "tests", "."))
    done = subprocess.run(
        [sys.executable, "-m", "malformed.studies"],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert len(said) > 30
    assert {
        name: found for name, found in said.items() if found[0] != "NotbugsError" or "\n" in found[1]
    } == {}
