"""Long-lived processes that take turns: drift of a shared machine then touches every contender alike."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import safetensors.torch
import torch

from benchmarks.attackers import Task
from benchmarks.environments import ROOT, python_of
from notbugs.models import ImageClassifier, save_model


def prepare_job(
    directory: Path,
    model: ImageClassifier,
    images: torch.Tensor,
    labels: torch.Tensor,
    task: Task,
    **job: Any,
) -> None:
    """What every contender of this contest reads."""
    directory.mkdir(parents=True, exist_ok=True)
    save_model(model, directory / "model.safetensors")
    columns = {"images": images.contiguous(), "labels": labels.contiguous()}
    safetensors.torch.save_file(columns, directory / "images.safetensors")
    (directory / "job.json").write_text(json.dumps({"task": asdict(task), **job}))


class Contender:
    """One process, waiting for its turn."""

    def __init__(self, what: str, name: str, directory: Path) -> None:
        threads = str(json.loads((directory / "job.json").read_text())["threads"])
        self.name = name
        self.log = (directory / f"{what}-{name}.log").open("w")
        self.process = subprocess.Popen(
            [str(python_of(name)), "-m", "benchmarks.contestant", what, name, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": threads},
        )
        self.turns: list[dict[str, float]] = []
        self._read()  # ready

    def turn(self) -> None:
        """One piece of work; its seconds are kept."""
        self._say("go")
        self.turns.append(self._read())
        print(f"  {self.name}: {self.turns[-1]['seconds']:.1f} s", file=sys.stderr, flush=True)

    def finish_turn(self) -> None:
        """Wait until the result is on disk (it is written outside the measured time)."""
        self._read()

    def end(self, last: str = "") -> None:
        self._say(last)
        self.process.wait()
        self.log.close()

    def _say(self, word: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def _read(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} stopped; see {self.log.name}")
        return json.loads(line)


def take_turns(
    what: str, names: list[str], directory: Path, *, repeats: int
) -> dict[str, list[dict[str, float]]]:
    """All of them at hand, each in turn, `repeats` times: the seconds of every turn."""
    contenders = [Contender(what, name, directory) for name in names]
    for _ in range(repeats):
        for contender in contenders:
            contender.turn()
            contender.finish_turn()
    for contender in contenders:
        contender.end()
    return {contender.name: contender.turns for contender in contenders}


def rates(turns: list[dict[str, float]], images: int) -> dict[str, Any]:
    """Images a second on the wall: median, least and most over the turns; and per second of CPU time."""
    wall = [images / turn["seconds"] for turn in turns]
    return {
        "images_per_second": {"median": median(wall), "min": min(wall), "max": max(wall)},
        "images_per_cpu_second": median(images / turn["cpu_seconds"] for turn in turns),
        "seconds": [turn["seconds"] for turn in turns],
    }
