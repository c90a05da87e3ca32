"""kill -9 at random moments, then the same command: the finished files are those of a run that nothing hit."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from notbugs.models import build, save_model

KILLS = 5
TIMED = ("result.json", "report.html")  # they say how long it took


def start(tokens: list[str], out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "notbugs.app", *tokens, "--quiet", "--out", str(out)]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # Whoever runs these tests in the background of a script has it ignored, and so would what they start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def finish(tokens: list[str], out: Path) -> float:
    started = time.monotonic()
    process = start(tokens, out)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - started


def files(out: Path) -> dict[str, bytes]:
    found = {path for path in out.rglob("*") if path.is_file() and path.name not in TIMED}
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


@pytest.mark.parametrize("job", ["train", "build", "audit"])
def test_nothing_is_lost_and_nothing_differs(tmp_path: Path, job: str) -> None:
    save_model(build("convnet-16-16-16-16", classes=10, seed=0), tmp_path / "model.safetensors")
    tokens = {
        "train": [
            "train",
            "--data",
            "digits",
            "--arch",
            "convnet-16-16-16-16",
            "--epochs",
            "10",
            "--average",
            "0.9",
        ],
        "build": [
            "build",
            "robust",
            "--data",
            "planted",
            "--steps",
            "6",
            "--model",
            str(tmp_path / "model.safetensors"),
        ],
        "audit": [
            "audit",
            str(tmp_path / "model.safetensors"),
            "--data",
            "planted",
            "--suite",
            "quick",
            "--n",
            "400",
        ],
    }[job]
    whole, hit = tmp_path / "whole", tmp_path / "hit"
    seconds = finish(tokens, whole)
    draw = random.Random(f"{job} killed")
    for _ in range(KILLS):
        process = start(tokens, hit)
        time.sleep(draw.uniform(0.4, 0.95) * seconds)  # import takes the first part
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(tokens, hit)
    # A write that was cut off may leave its hidden, temporary name behind, never a file that anyone reads.
    found = {name: content for name, content in files(hit).items() if not Path(name).name.startswith(".")}
    assert found == files(whole)


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_who_asks_it_to_stop_is_told_how_to_go_on(tmp_path: Path, asked: signal.Signals) -> None:
    process = start(["train", "--data", "digits", "--arch", "convnet", "--epochs", "400"], tmp_path)
    checkpoint = None
    while checkpoint is None and process.poll() is None:
        time.sleep(0.2)
        checkpoint = next(tmp_path.glob("*/checkpoint/state.safetensors"), None)
    process.send_signal(asked)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode() == "notbugs: stopped; the same command goes on with what was finished\n"
    assert not list(tmp_path.rglob("result.json"))
