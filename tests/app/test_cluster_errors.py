"""What goes wrong on a Ray cluster comes home in one line, and what it is not for is refused."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.machines import Machines
from clustered import start, there

from notbugs.cluster.head import watch_head

pytest.importorskip("ray", reason="Ray is not installed")

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("train --data digits --on ray", "train runs here"),
        ("build robust --model MODEL --data digits --ray-gpus 1 --on ray", "needs a GPU here as well"),
        (
            "build robust --model MODEL --data digits --ray-gpus 1",
            "--ray-address and --ray-gpus go with --on ray",
        ),
    ],
)
def test_what_a_cluster_is_not_for_is_refused(
    words: str, line: str, tmp_path: Path, model: Path, notbugs: Command
) -> None:
    tokens = [str(model) if word == "MODEL" else word for word in words.split()]
    outcome = notbugs(*tokens, "--out", tmp_path / "runs")
    assert outcome.code == 2
    assert line in outcome.err
    assert not (tmp_path / "runs").exists()


BROKEN = """
from torch import nn

class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.calls = nn.Linear(3 * 32 * 32, 10), 0

    def forward(self, images):
        self.calls += 1
        if self.calls > 6:
            raise RuntimeError("no more")
        return self.linear(images.flatten(1))
"""


def test_an_error_in_the_users_code_says_where_it_was(tmp_path: Path, cluster: Machines) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    command = "-m notbugs.app audit broken:Broken --data digits --sections adversarial --suite quick --quiet"
    options = ("--out", tmp_path / "runs", "--on", "ray", "--ray-address", cluster.address)
    process = start(cluster, *command.split(), *options, cwd=tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert re.fullmatch(
        r"notbugs: the model raised RuntimeError: no more \(.*broken.py, line 12, in forward\)\n", errors
    )


def test_asked_to_end_it_ends_as_without_a_cluster(tmp_path: Path, cluster: Machines, model: Path) -> None:
    command = ["build", "robust", "--data", "planted", "--model", model, "--steps", 400]
    begun = there(cluster, *command, out=tmp_path / "ray")
    while not list(tmp_path.glob("ray/*/shard-*")):
        assert begun.poll() is None, begun.communicate()[1]
        time.sleep(0.05)
    begun.terminate()
    _, errors = begun.communicate()
    assert (begun.returncode, errors) == (
        130,
        "notbugs: stopped; the same command goes on with what was finished\n",
    )


def test_a_head_that_has_gone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as head:
        port = head.getsockname()[1]
        watch_head("127.0.0.1", port, lost=0.5, every=0.1, then=gone.set)
        assert not gone.wait(1.5)
    assert gone.wait(60)
    assert caplog.messages == [
        f"the cluster's head at 127.0.0.1:{port} has gone; the same command goes on with what was finished"
    ]


def test_a_token_that_is_missing_is_asked_for(tmp_path: Path, cluster: Machines, model: Path) -> None:
    command = [
        "build",
        "det",
        "--data",
        "digits",
        "--model",
        model,
        "--out",
        tmp_path / "runs",
        "--on",
        "ray",
    ]
    process = subprocess.run(
        [sys.executable, "-m", "notbugs.app", *map(str, command), "--ray-address", cluster.address],
        env={**cluster.environment, "RAY_AUTH_TOKEN": "", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 2
    assert "every machine needs the head's token in ~/.ray/auth_token" in process.stderr
    assert process.stderr.count("\n") == 1


def test_a_cluster_that_is_not_there_is_a_line(tmp_path: Path, cluster: Machines, model: Path) -> None:
    command = ["build", "robust", "--data", "planted", "--model", model, "--out", tmp_path / "runs"]
    process = start(cluster, "-m", "notbugs.app", *command, "--on", "ray", "--ray-address", "127.0.0.1:1")
    _, errors = process.communicate()
    assert process.returncode == 2
    assert "no Ray cluster answers at 127.0.0.1:1" in errors
    assert len(errors.strip().splitlines()) == 1
