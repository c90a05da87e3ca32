"""Commands on a Ray cluster: the same bytes as here, also where a machine dies."""

import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.contents import contents
from benchmarks.machines import Machines
from clustered import finish, start, there
from miniature import miniature_control

from notbugs import recipes

pytest.importorskip("ray", reason="Ray is not installed")

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the workers have: another number rounds otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


def test_nothing_asks_for_ray_where_nobody_has_asked_for_it(
    tmp_path: Path, cluster: Machines, model: Path
) -> None:
    command = f"build robust --data digits --model {model} --steps 1 --out {tmp_path} --quiet".split()
    script = f"import sys; from notbugs.app.cli import main; main({command}); assert 'ray' not in sys.modules"
    finish(start(cluster, "-c", script))
