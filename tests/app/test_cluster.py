"""Commands on a Ray cluster: the same bytes as here, also where a machine dies."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.contents import contents
from benchmarks.machines import Machines

from notbugs.models import build, save_model

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Machines]:
    """A machine of one core, and whatever a test adds."""
    machines = Machines()
    yield machines
    machines.end()


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
    assert process.returncode == 0, errors
    return said


def notbugs(*tokens: object) -> tuple[object, ...]:
    return "-m", "notbugs.app", *tokens, "--quiet"


def test_a_machine_dies_and_the_bytes_are_the_same(tmp_path: Path, cluster: Machines, model: Path) -> None:
    command = ["build", "robust", "--data", "planted", "--model", model, "--steps", 40]
    doomed = cluster.add()
    there = start(
        cluster,
        *notbugs(*command, "--out", tmp_path / "ray", "--on", "ray", "--ray-address", cluster.address),
    )
    while len(list(tmp_path.glob("ray/*/shard-*"))) < 2:
        assert there.poll() is None, there.communicate()[1]
        time.sleep(0.05)
    cluster.kill(doomed)
    cluster.add()
    made = len(list(tmp_path.glob("ray/*/shard-*")))
    finish(there)
    finish(start(cluster, *notbugs(*command, "--out", tmp_path / "local")))
    here = contents(tmp_path / "local")
    assert contents(tmp_path / "ray") == here
    assert 2 <= made < sum("shard-" in name for name in here), "it died in the middle"


def test_drawings_and_corrupted_copies_are_the_same(tmp_path: Path, cluster: Machines, model: Path) -> None:
    there = ["--on", "ray", "--ray-address", cluster.address]
    draw = ["draw", "invert", "--model", model, "--data", "digits", "--n", 3, "--steps", 8]
    corrupt = ["corrupt", "--data", "digits", "--corruptions", "fog,gaussian_noise", "--severities", "1,3"]
    for command in (draw, corrupt):
        for where, options in (("ray", there), ("local", [])):
            finish(start(cluster, *notbugs(*command, "--out", tmp_path / where, *options)))
    here = contents(tmp_path / "local")
    assert contents(tmp_path / "ray") == here
    assert sum(name.endswith((".npy", ".png")) for name in here) == 4


def test_an_audit_is_the_same(tmp_path: Path, cluster: Machines, model: Path) -> None:
    command = ["audit", model, "--data", "planted", "--suite", "quick", "--n", 300]
    finish(
        start(
            cluster,
            *notbugs(*command, "--out", tmp_path / "ray", "--on", "ray", "--ray-address", cluster.address),
        )
    )
    finish(start(cluster, *notbugs(*command, "--out", tmp_path / "local")))
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


STUDY = """
import sys
from notbugs import recipes
from notbugs.app.cli import main
sys.path.insert(0, sys.argv[1])
from miniature import miniature_control
recipes.CONTROLS["everything"] = miniature_control
main(["study", "everything", "--data", "digits", "--quiet", *sys.argv[2:]])
"""


def test_a_study_is_the_same_also_of_relative_paths(tmp_path: Path, cluster: Machines) -> None:
    """The machines of the cluster run elsewhere."""
    command = ("-c", STUDY, Path(__file__).parent)
    there = ("--out", "ray", "--on", "ray", "--ray-address", cluster.address)
    finish(start(cluster, *command, *there, cwd=tmp_path))
    finish(start(cluster, *command, "--out", "local", cwd=tmp_path))
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


NESTED = """
import sys, time
from functools import partial
from pathlib import Path
import torch
from notbugs.cluster import OnRay
from notbugs.cluster.connection import connected
from notbugs.execution import side_by_side
from notbugs.progress import silent

def shard(index, progress):
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
    try:
        _, errors = process.communicate(
            timeout=100
        )  # there is one GPU: who waits while it has it waits for ever
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert [(tmp_path / name).read_text() for name in ("one", "other", "model")] == ["[0, 1, 2]"] * 2 + [
        "trained"
    ]


def test_what_a_cluster_is_not_for_is_refused(tmp_path: Path, cluster: Machines, model: Path) -> None:
    for words, line in (
        (("train", "--data", "digits"), "train runs here"),
        (
            ("build", "robust", "--data", "digits", "--model", model, "--ray-gpus", 1),
            "needs a GPU here as well",
        ),
    ):
        process = start(cluster, *notbugs(*words, "--on", "ray", "--out", tmp_path / "runs"))
        assert line in process.communicate()[1]
        assert process.returncode == 2
    assert not (tmp_path / "runs").exists()


SCRIPT = """
import sys, time
from functools import partial
from pathlib import Path
from notbugs.cluster import OnRay
from notbugs.errors import NotbugsError
from notbugs.execution import side_by_side
from notbugs.progress import silent

def note(where, name, watch):
    progress = watch(name)
    progress(1, 2, "begun")
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
    seen, refused, missing = finish(
        start(cluster, tmp_path / "script.py", tmp_path, cluster.address)
    ).splitlines()
    first, last = (
        [float(one) for one in (tmp_path / name).read_text().split()] for name in ("first", "last")
    )
    assert last[0] >= first[1]
    assert eval(seen) == {"first": 2, "free": 2, "last": 2}
    assert refused == "this cannot be done"
    assert "no machine of the cluster has the 1 CPU and 2 GPU that a task takes" in missing
    assert not (tmp_path / "never").exists()


def test_a_cluster_that_is_not_there_is_a_line(tmp_path: Path, cluster: Machines, model: Path) -> None:
    command = ["build", "robust", "--data", "planted", "--model", model, "--out", tmp_path / "runs"]
    process = start(cluster, *notbugs(*command, "--on", "ray", "--ray-address", "127.0.0.1:1"))
    _, errors = process.communicate()
    assert process.returncode == 2
    assert "no Ray cluster answers at 127.0.0.1:1" in errors
    assert len(errors.strip().splitlines()) == 1


def test_nothing_asks_for_ray_where_nobody_has_asked_for_it(
    tmp_path: Path, cluster: Machines, model: Path
) -> None:
    command = [
        "build",
        "robust",
        "--data",
        "digits",
        "--model",
        str(model),
        "--steps",
        "1",
        "--out",
        str(tmp_path),
    ]
    script = f"import sys; from notbugs.app.cli import main; main({command}); assert 'ray' not in sys.modules"
    finish(start(cluster, "-c", script))


def test_options_of_a_cluster_without_one_are_refused(cluster: Machines, model: Path) -> None:
    process = start(
        cluster, *notbugs("build", "robust", "--data", "digits", "--model", model, "--ray-gpus", 1)
    )
    assert "--ray-address and --ray-gpus go with --on ray" in process.communicate()[1]
    assert process.returncode == 2
