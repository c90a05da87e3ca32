"""Commands on a Ray cluster: the same bytes as here, also where a machine dies."""

import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.contents import contents
from benchmarks.machines import Machines
from miniature import miniature_control

from notbugs import recipes
from notbugs.cluster.head import watch_head
from notbugs.models import build, save_model

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Machines]:
    """A machine of one core, and whatever a test adds."""
    machines = Machines()
    yield machines
    machines.end()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the workers have: another number rounds otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(build("convnet-8-8-8-8", classes=10, seed=0), path)
    return path


def start(cluster: Machines, *command: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=cluster.environment,
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, errors = process.communicate()
    assert (process.returncode, errors) == (0, ""), "it is quiet, and so is Ray"
    return said


def there(cluster: Machines, *tokens: object, out: object) -> subprocess.Popen[str]:
    """A command on the cluster."""
    options = ("--out", out, "--on", "ray", "--ray-address", cluster.address, "--quiet")
    return start(cluster, "-m", "notbugs.app", *tokens, *options)


Command = Callable[..., Any]


def test_a_machine_dies_and_the_bytes_are_the_same(
    tmp_path: Path, cluster: Machines, model: Path, notbugs: Command
) -> None:
    command = ["build", "robust", "--data", "planted", "--model", model, "--steps", 40]
    doomed = cluster.add()
    begun = there(cluster, *command, out=tmp_path / "ray")
    while len(list(tmp_path.glob("ray/*/shard-*"))) < 2:
        assert begun.poll() is None, begun.communicate()[1]
        time.sleep(0.05)
    cluster.kill(doomed)
    cluster.add()
    made = len(list(tmp_path.glob("ray/*/shard-*")))
    finish(begun)
    assert notbugs(*command, "--out", tmp_path / "local", "--quiet").code == 0
    here = contents(tmp_path / "local")
    assert contents(tmp_path / "ray") == here
    assert 2 <= made < sum("shard-" in name for name in here), "it died in the middle"


def test_drawings_and_corrupted_copies_are_the_same(
    tmp_path: Path, cluster: Machines, model: Path, notbugs: Command
) -> None:
    draw = ["draw", "invert", "--model", model, "--data", "digits", "--n", 3, "--steps", 8]
    corrupt = ["corrupt", "--data", "digits", "--corruptions", "fog,gaussian_noise", "--severities", "1,3"]
    for command in (draw, corrupt):
        finish(there(cluster, *command, out=tmp_path / "ray"))
        assert notbugs(*command, "--out", tmp_path / "local", "--quiet").code == 0
    here = contents(tmp_path / "local")
    assert contents(tmp_path / "ray") == here
    assert sum(name.endswith((".npy", ".png")) for name in here) == 4


def test_an_audit_is_the_same(tmp_path: Path, cluster: Machines, model: Path, notbugs: Command) -> None:
    command = ["audit", model, "--data", "planted", "--suite", "quick", "--n", 300]
    finish(there(cluster, *command, out=tmp_path / "ray"))
    assert notbugs(*command, "--out", tmp_path / "local", "--quiet").code == 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


STUDY = """
import sys
from notbugs import recipes
from notbugs.cluster.head import watch_head
from notbugs.app.cli import main
sys.path.insert(0, sys.argv[1])
from miniature import miniature_control
recipes.CONTROLS["everything"] = miniature_control
main(["study", "everything", "--data", "digits", "--quiet", *sys.argv[2:]])
"""


def test_a_study_is_the_same_also_of_relative_paths(
    tmp_path: Path, cluster: Machines, notbugs: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machines of the cluster run elsewhere."""
    options = ("--out", "ray", "--on", "ray", "--ray-address", cluster.address)
    finish(start(cluster, "-c", STUDY, Path(__file__).parent, *options, cwd=tmp_path))
    monkeypatch.setitem(recipes.CONTROLS, "everything", miniature_control)
    monkeypatch.chdir(tmp_path)
    assert notbugs("study", "everything", "--data", "digits", "--out", "local", "--quiet").code == 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


NESTED = """
import logging, sys, time
from functools import partial
from pathlib import Path
import torch
from notbugs.cluster import OnRay
from notbugs.cluster.connection import connected
from notbugs.execution import side_by_side
from notbugs.progress import silent

def shard(index, progress):
    logging.getLogger("notbugs").warning("shard %d is being made", index)
    return {"index": torch.tensor(index)}

def build(where, name, on, watch):
    watch(name)(1, 1, "")
    found = sorted(int(made["index"]) for _, made in on.made(shard, range(3), lambda index: silent))
    Path(where, name).write_text(str(found))

def train(where, watch):
    Path(where, "model").write_text("trained")

where, on = sys.argv[1], OnRay(address=sys.argv[2], gpus=1)
while "GPU" not in connected(on.address).cluster_resources():
    time.sleep(0.1)
tasks = {name: partial(build, where, name, on) for name in ("one", "other")} | {"model": partial(train, where)}
side_by_side(tasks, after={}, workers=3, watch=lambda stage: silent, on=on, hands_on=("one", "other"))
"""


def test_stages_that_need_a_gpu_for_their_shards_leave_it_to_them(tmp_path: Path, cluster: Machines) -> None:
    cluster.add(gpus=1)
    (tmp_path / "script.py").write_text(NESTED)
    process = start(cluster, tmp_path / "script.py", tmp_path, cluster.address)
    try:  # there is one GPU: who waits while it has it waits for ever
        _, errors = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert sorted(set(errors.splitlines())) == [f"shard {index} is being made" for index in range(3)]
    found = [(tmp_path / name).read_text() for name in ("one", "other", "model")]
    assert found == ["[0, 1, 2]", "[0, 1, 2]", "trained"]


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


SCRIPT = """
import logging, sys, time
from functools import partial
from pathlib import Path
from notbugs.cluster import OnRay
from notbugs.errors import NotbugsError
from notbugs.execution import side_by_side
from notbugs.progress import silent

def note(where, name, watch):
    progress = watch(name)
    progress(1, 2, "begun")
    logging.getLogger("notbugs").warning("%s has begun", name)
    began = time.time()
    time.sleep(0.3)
    Path(where, name).write_text(f"{began} {time.time()}")
    progress(2, 2, "done")

def refuse(watch):
    raise NotbugsError("this cannot be done")

where, on = sys.argv[1], OnRay(address=sys.argv[2])
seen = {}
def watch(stage):
    return lambda done, total, note: seen.__setitem__(stage, done)
tasks = {name: partial(note, where, name) for name in ("last", "first", "free")}
side_by_side(tasks, after={"last": ["first"]}, workers=2, watch=watch, on=on)
print(seen)
tasks = {"wrong": refuse, "never": partial(note, where, "never")}
for gpus, asked in ((0, tasks), (2, tasks)):
    try:
        side_by_side(asked, after={"never": ["wrong"]}, workers=2, watch=lambda stage: silent,
            on=OnRay(address=sys.argv[2], gpus=gpus))
    except NotbugsError as error:
        print(error)
"""


def test_tasks_wait_for_what_they_need_and_errors_come_home(tmp_path: Path, cluster: Machines) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    process = start(cluster, tmp_path / "script.py", tmp_path, cluster.address)
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    assert sorted(errors.splitlines()) == ["first has begun", "free has begun", "last has begun"]
    seen, refused, missing = said.splitlines()
    first, last = (
        [float(one) for one in (tmp_path / name).read_text().split()] for name in ("first", "last")
    )
    assert last[0] >= first[1]
    assert eval(seen) == {"first": 2, "free": 2, "last": 2}
    assert refused == "this cannot be done"
    assert "no machine of the cluster has the 1 CPU and 2 GPU that a task takes" in missing
    assert not (tmp_path / "never").exists()


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


def test_nothing_asks_for_ray_where_nobody_has_asked_for_it(
    tmp_path: Path, cluster: Machines, model: Path
) -> None:
    command = f"build robust --data digits --model {model} --steps 1 --out {tmp_path} --quiet".split()
    script = f"import sys; from notbugs.app.cli import main; main({command}); assert 'ray' not in sys.modules"
    finish(start(cluster, "-c", script))
