"""kill -9 at random moments, then the same command: the finished files are those of a run that nothing hit."""

import random
import signal
from argparse import Namespace
from pathlib import Path
from shutil import rmtree
from time import sleep

import pytest
from benchmarks.kills import commands, content, killed, start, timed

from notbugs.models import build, save_model

KILLS = 3  # of each; `python -m benchmarks.kills` has 50
ONE_THREAD = Namespace(threads=1)


@pytest.mark.parametrize("job", ["train", "build", "audit"])
def test_nothing_is_lost_and_nothing_differs(tmp_path: Path, job: str) -> None:
    save_model(build("convnet-16-16-16-16", classes=10, seed=0), tmp_path / "model.safetensors")
    command, whole, hit = commands(tmp_path)[job], tmp_path / "whole", tmp_path / "hit"
    seconds, draw = timed(command, whole, ONE_THREAD), random.Random(f"{job} killed")
    moments = [draw.uniform(0.4, 0.95) * seconds for _ in range(KILLS)]  # import takes the first part
    while not killed(command, hit, moments[0], ONE_THREAD):  # this time it was faster, and had ended
        rmtree(hit)
        moments[0] *= 0.7
    for moment in moments[1:]:
        killed(command, hit, moment, ONE_THREAD)
    timed(command, hit, ONE_THREAD)
    assert content(hit, job) == content(whole, job)


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_who_asks_it_to_stop_is_told_how_to_go_on(tmp_path: Path, asked: signal.Signals) -> None:
    process = start(
        ["train", "--data", "digits", "--arch", "convnet", "--epochs", "400"], tmp_path, ONE_THREAD
    )
    checkpoint = None
    while checkpoint is None and process.poll() is None:
        sleep(0.2)
        checkpoint = next(tmp_path.glob("*/checkpoint/state.safetensors"), None)
    process.send_signal(asked)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode() == "notbugs: stopped; the same command goes on with what was finished\n"
    assert not list(tmp_path.rglob("result.json"))
