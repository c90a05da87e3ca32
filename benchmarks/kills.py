"""`python -m benchmarks.kills`: kill -9 at random moments, then the same command again; is anything different?

Each trial kills one command once, with all its processes, at a moment drawn uniformly over the time that it takes,
lets it finish, and compares every file with those of a run that nothing hit: bytes, but for the seconds in
result.json and in the report. A killed `report` is compared with the report itself.
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
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.contents import SHOWN, contents
from benchmarks.environments import SCRATCH
from benchmarks.run import setting, write
from notbugs.models import build, save_model


def main() -> None:
    options = arguments()
    told: dict[str, Any] = {}
    with TemporaryDirectory() as directory:
        where = Path(directory)
        save_model(build("convnet-16-16-16-16", classes=10, seed=0), where / "model.safetensors")
        for name, command in commands(where).items():
            told[name] = trials(name, command, where / name, options)
    same = sum(one["identical"] for one in told.values())
    kills = sum(one["kills"] for one in told.values())
    print(f"{same} of {kills} identical", flush=True)
    write(options.out, {**setting("kills", options), "kills": kills, "identical": same, "commands": told})


def commands(where: Path) -> dict[str, list[str]]:
    model = str(where / "model.safetensors")
    return {
        "train": [
            "train",
            "--data",
            "digits",
            "--arch",
            "convnet-16-16-16-16",
            "--epochs",
            "20",
            "--average",
            "0.9",
        ],
        "build": ["build", "robust", "--data", "planted", "--steps", "10", "--model", model],
        "audit": ["audit", model, "--data", "planted", "--suite", "quick", "--n", "300"],
        "study": ["study", "digits", "--arch", "convnet-8-8-8-8"],
        "report": ["report"],
    }


def trials(name: str, command: Sequence[str], where: Path, options: argparse.Namespace) -> dict[str, Any]:
    draw, kills = random.Random(f"{options.seed} {name}"), options.kills
    whole = where / "whole"
    if name == "report":  # of what an audit left
        shutil.copytree(where.parent / "audit" / "whole", whole)
        (run,) = (path.parent for path in whole.glob("*/report.html"))
        command = ["report", str(run)]
        seconds = timed(command, whole, options)
    else:
        seconds = timed(command, whole, options)
    expected, identical, moments = content(whole, name), 0, []
    for number in range(kills):
        out = where / f"hit-{number}"
        asked = list(command)
        if name == "report":
            shutil.copytree(whole, out)
            asked = ["report", str(out / run.name)]
            timed(asked, out, options)  # it says where it lies
            expected = content(out, name)
        moment = draw.uniform(0, seconds)
        while not killed(asked, out, moment, options):  # it was done already, so it takes less long than that
            if name != "report":
                shutil.rmtree(out)
            moment = draw.uniform(0, moment)
        moments.append(moment)
        timed(asked, out, options)
        identical += content(out, name) == expected
        shutil.rmtree(out)
    print(
        f"{name}: {identical} of {kills} identical, each hit before its end, {seconds:.1f} s whole",
        flush=True,
    )
    return {
        "kills": kills,
        "identical": identical,
        "seconds": seconds,
        "moments": moments,
        "files": len(expected),
    }


def start(command: Sequence[str], out: Path, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    place = [] if command[0] == "report" else ["--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "notbugs.app", *command, *place, "--quiet"],
        env={**os.environ, "OMP_NUM_THREADS": str(options.threads)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        # Whoever begins this in the background of a script has it ignored, and so would what is begun here.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def timed(command: Sequence[str], out: Path, options: argparse.Namespace) -> float:
    began = time.monotonic()
    process = start(command, out, options)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - began


def killed(command: Sequence[str], out: Path, moment: float, options: argparse.Namespace) -> bool:
    """Whether it was still at work when it was killed."""
    process = start(command, out, options)
    try:
        process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return process.returncode == -signal.SIGKILL


def content(out: Path, name: str) -> dict[str, Any]:
    """What a command left; of a report the report itself."""
    return contents(out, apart=() if name == "report" else (SHOWN,))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "kills.json")
    parser.add_argument("--kills", type=int, default=10, help="of each of the five commands")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
