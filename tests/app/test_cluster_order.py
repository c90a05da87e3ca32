"""Sections of work on a Ray cluster begin in order: what is long is given early, what is short ends together."""

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.machines import Machines

pytest.importorskip("ray", reason="Ray is not installed")

SECTIONS = """
import sys, time
from functools import partial
from pathlib import Path
import torch
from notbugs.cluster import OnRay
from notbugs.progress import silent

def part(where, section, seconds, index, progress):
    with Path(where).open("a") as file:
        file.write(f"{section}{index} ")
    time.sleep(seconds)
    return {"index": torch.tensor(index)}

def made(where, on, section, seconds, count):
    return len(list(on.made(partial(part, where, section, seconds), range(count), lambda index: silent)))

where, on = sys.argv[1], OnRay(address=sys.argv[2])
sections = [("a", 0.02, 8), ("b", 0.2, 4), ("c", 0.02, 1), ("d", 0.2, 4), ("e", 0.02, 8), ("f", 0.02, 8)]
print(on.interleaved([partial(made, where, on, *section) for section in sections]))
"""


def test_no_worker_begins_what_comes_later_first(tmp_path: Path) -> None:
    """Ray lets a worker go on with the section it is at, and the last long parts are then made by one alone."""
    machines = Machines(cores=2)
    try:
        process = subprocess.run(
            [sys.executable, "-c", SECTIONS, str(tmp_path / "begun"), machines.address],
            env=machines.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        machines.end()
    assert (process.returncode, process.stdout) == (0, "[8, 4, 1, 4, 8, 8]\n"), process.stderr
    begun = (tmp_path / "begun").read_text().split()
    assert len(begun) == 33
    for place, one in enumerate(begun):
        passed = [other for other in begun[place:] if other[0] < one[0]]
        assert len(passed) <= 1, f"{one} before {passed}: the other worker can be about to begin one of them"
