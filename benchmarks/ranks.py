"""`python -m benchmarks.ranks`: training under torchrun, against one process and against being killed.

Differences: what one process of one thread trains, what it trains with two threads, and what two ranks of one thread
do, each compared with the first. Kills: two ranks, of which one, each in its turn, is killed (SIGKILL) at a random
moment; how many trainings end, and with the bytes of one that nothing hit.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.contents import SHOWN, contents
from benchmarks.environments import SCRATCH
from benchmarks.run import setting, write
from benchmarks.torchrun import attempts, processes, torchrun
from notbugs.models import build
from notbugs.runs import Run

RANKS = 2
PARTS = ["training", "killed"]

LIMIT = 300
"""Seconds after which a training that was hit counts as hanging."""

TRAINED = "train --data planted --arch convnet-32-64-64-64 --precision float32"
DIFFERENT = {
    "one step": f"{TRAINED} --batch-size 4000 --epochs 1",
    "standard, 2 epochs": f"{TRAINED} --epochs 2",
    "augmented, 2 epochs": f"{TRAINED} --epochs 2 --translate 2 --noise 0.02",
    "against pgd:l2:0.5:3, 2 epochs": f"{TRAINED} --epochs 2 --attack pgd:l2:0.5:3",
}
HIT = "train --data digits --arch convnet-16-16-16-16 --epochs 30 --batch-size 200 --average 0.9"


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    with TemporaryDirectory() as directory:
        where = Path(directory)
        told: dict[str, Any] = {"ranks": RANKS}
        if "training" in options.parts:
            told["training"] = {
                name: {"command": command, **different(command.split(), where / str(number))}
                for number, (name, command) in enumerate(DIFFERENT.items())
            }
        if "killed" in options.parts:
            told["killed"] = killed(HIT.split(), options.trials, options.seed, where / "killed")
    write(options.out, {**setting("ranks", options), **told})


def different(words: Sequence[str], where: Path) -> dict[str, Any]:
    """How far two threads and two ranks end from one process of one thread, and how long each takes."""
    rows, models = {}, {}
    for name in ("one thread", "two threads", "two ranks"):
        out = where / name.replace(" ", "-")
        began = time.monotonic()
        if name == "two ranks":
            launched = ranked(words, out)
        else:
            threads = {"OMP_NUM_THREADS": "2" if name == "two threads" else "1"}
            launched = subprocess.Popen(
                [sys.executable, "-m", "notbugs.app", *words, "--out", str(out), "--quiet"],
                env=os.environ | threads, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        assert launched.wait() == 0
        run = Run(next(out.glob("train-*")))
        models[name] = load_file(run.model)
        rows[name] = {
            "wall_seconds": round(time.monotonic() - began, 1),
            "training_seconds": run.result["seconds"],
            **{measure: run.result["metrics"][measure] for measure in ("train_loss", "clean_accuracy")},
            "largest_difference": apart(models[name], models["one thread"]),
        }
        print(f"{' '.join(words)}: {name}: {rows[name]}", flush=True)
    return rows


def killed(words: Sequence[str], trials: int, seed: int, where: Path) -> dict[str, Any]:
    """Trainings of which a rank is killed, against one that nothing hit."""
    whole = ranked(words, where / "whole")
    ready(whole, where / "whole")
    began = time.monotonic()
    assert whole.wait() == 0
    seconds, expected = time.monotonic() - began, contents(where / "whole", apart=(SHOWN,))
    draw, rows = random.Random(seed), []
    epochs = done(where / "whole")
    order = draw.sample(range(RANKS), RANKS)  # every rank as often as any other, as far as trials go round
    for trial in range(trials):
        out, victim = where / f"trial-{trial}", order[trial % len(order)]
        after, beyond = draw.randrange(epochs), draw.random()
        while (launched := struck(words, out, victim, after=after, pause=beyond * seconds / epochs)) is None:
            after = draw.randrange(epochs)  # it was over already
        struck_at, began = done(out), time.monotonic()
        try:
            ended = launched.wait(timeout=LIMIT) == 0
        except subprocess.TimeoutExpired:
            launched.terminate()
            launched.wait()
            ended = False
        row = {
            "rank": victim,
            "epochs_done": struck_at,
            "attempts": attempts(where / f"trial-{trial}-logs"),
            "ended": ended,
            "the_same": ended and contents(out, apart=(SHOWN,)) == expected,
            "seconds": round(time.monotonic() - began, 1),
        }
        rows.append(row)
        print(f"trial {trial}: {row}", flush=True)
        if row["attempts"] != 2:  # something else went wrong as well
            for log in sorted(out.with_name(out.name + "-logs").rglob("stderr.log")):
                print(*log.parts[-3:], log.read_text()[-1000:], flush=True)
    return {
        "command": " ".join(words), "unharmed_seconds": round(seconds, 1), "trials": trials,
        "hit": sum(row["attempts"] > 1 for row in rows), "ended": sum(row["ended"] for row in rows),
        "the_same": sum(row["the_same"] for row in rows), "each": rows,
    }  # fmt: skip


def struck(
    words: Sequence[str], out: Path, victim: int, *, after: int, pause: float
) -> subprocess.Popen[bytes] | None:
    """Begun, and one of its ranks killed so long after so many epochs; nothing is left of one that was over then."""
    launched = ranked(words, out, restarts=3)
    ready(launched, out)
    while done(out) < after:
        time.sleep(0.02)
    time.sleep(pause)
    there = processes(launched)
    if len(there) == RANKS:
        os.kill(there[victim], signal.SIGKILL)
        return launched
    launched.wait()
    for left in (out, out.with_name(out.name + "-logs")):
        shutil.rmtree(left)
    return None


def ranked(words: Sequence[str], out: Path, *, restarts: int = 0) -> subprocess.Popen[bytes]:
    logs = out.with_name(out.name + "-logs")
    words = ["-m", "notbugs.app", *words, "--out", str(out), "--quiet"]
    return torchrun(words, ranks=RANKS, logs=logs, restarts=restarts)


def ready(launched: subprocess.Popen[bytes], out: Path) -> None:
    """Wait until the training has begun: its config is there."""
    while not list(out.glob("*/config.json")):
        assert launched.poll() is None
        time.sleep(0.02)


def done(out: Path) -> int:
    """Epochs of the training there."""
    return sum(len(path.read_text().splitlines()) for path in out.rglob("metrics.jsonl"))


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of any weight."""
    weights = dict(build("convnet-32-64-64-64", classes=10, seed=0).named_parameters())
    return max(float((one[name] - other[name]).abs().max()) for name in weights)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranks", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "ranks.json")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--threads", type=int, default=1, help="of every rank")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
