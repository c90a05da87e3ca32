"""Long-lived processes that take turns: drift of a shared machine then touches every contender alike."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
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


class Worker:
    """A process of a contender's own interpreter that answers each line with one in JSON."""

    def __init__(self, name: str, words: Sequence[str], *, log: Path, threads: int) -> None:
        self.name = name
        self.log = log.open("w")
        self.process = subprocess.Popen(
            [str(python_of(name)), "-m", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": str(threads)},
        )

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} stopped; see {self.log.name}")
        return json.loads(line)

    def end(self, last: str = "") -> None:
        """Its input ends, with a last line if it waits for one."""
        assert self.process.stdin
        if last:
            self.say(last)
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


class Contender:
    """One process, waiting for its turn."""

    def __init__(self, what: str, name: str, directory: Path) -> None:
        threads = json.loads((directory / "job.json").read_text())["threads"]
        words = ("benchmarks.contestant", what, name, str(directory))
        self.name = name
        self.worker = Worker(name, words, log=directory / f"{what}-{name}.log", threads=threads)
        self.turns: list[dict[str, float]] = []
        self.worker.read()  # ready

    def turn(self) -> None:
        """One piece of work; its seconds are kept."""
        self.worker.say("go")
        self.turns.append(self.worker.read())
        print(f"  {self.name}: {self.turns[-1]['seconds']:.1f} s", file=sys.stderr, flush=True)

    def finish_turn(self) -> None:
        """Wait until the result is on disk (it is written outside the measured time)."""
        self.worker.read()

    def end(self, last: str = "") -> None:
        self.worker.end(last)


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
