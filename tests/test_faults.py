"""What happens to machines: disks that are full or lie, clocks, and somebody else who does the same."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from benchmarks.contents import SHOWN, contents
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from notbugs.alone import alone_in
from notbugs.data import load
from notbugs.data.shards import is_whole, read_built, read_tensors, write_tensors
from notbugs.data.stored import StoredImages
from notbugs.errors import NotbugsError
from notbugs.features import PushToTarget
from notbugs.files import write_atomically
from notbugs.integrity import digest_of
from notbugs.jobs import Job, build_job, model_spec, train_job
from notbugs.locations import Location, location
from notbugs.models import build, save_model
from notbugs.recipes import targeted_attack
from notbugs.runs import Run, load_classifier, open_run
from notbugs.threats import L2
from notbugs.training import TrainConfig

DET = PushToTarget(attack=targeted_attack(L2(0.5), steps=2, step_size=0.2), targets="next")


def built(root: Location) -> Run:
    model, data = build("convnet-8-8-8-8", classes=10, seed=0), load("digits").first(90)
    return build_job(Job(root=root, seed=0), "det", DET, model, data, shard_size=30)


def command(out: Path, *tokens: str) -> list[str]:
    return [sys.executable, "-m", "notbugs.app", *tokens, "--quiet", "--out", str(out)]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def test_a_damaged_shard_alone_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = built(tmp_path)
    whole, shards = contents(tmp_path, apart=(SHOWN,)), sorted(run.path.glob("shard-*"))
    flip(shards[0], -5000)
    os.truncate(shards[2], 10_000)
    before = shards[1].stat()
    with pytest.raises(NotbugsError, match=r"shard-00000\.safetensors is damaged"):
        read_built(run.path)
    assert built(tmp_path) == run
    assert contents(tmp_path, apart=(SHOWN,)) == whole
    assert (shards[1].stat().st_ino, shards[1].stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert caplog.messages == [f"{shards[place]} is damaged: it is made again" for place in (0, 2)]


def test_a_damaged_model_is_refused_and_trained_again(tmp_path: Path) -> None:
    """Any flipped bit gives other weights, most of them finite."""
    training = command(tmp_path, "train", "--data", "digits", "--arch", "convnet-8-8-8-8", "--epochs", "1")
    subprocess.run(training, check=True, capture_output=True)
    (model,) = tmp_path.glob("*/model.safetensors")
    whole = model.read_bytes()
    flip(model, -40)
    with pytest.raises(NotbugsError, match=r"model\.safetensors is damaged"):
        load_classifier(model.parent)
    again = subprocess.run(training, check=True, capture_output=True, text=True)
    assert "model.safetensors is damaged" in again.stderr
    assert model.read_bytes() == whole


def test_what_an_audit_found_and_somebody_changed_is_found_again(tmp_path: Path) -> None:
    save_model(build("convnet-8-8-8-8", classes=10, seed=0), tmp_path / "model.safetensors")
    tokens = [
        "audit",
        str(tmp_path / "model.safetensors"),
        "--data",
        "digits",
        "--suite",
        "quick",
        "--n",
        "40",
    ]
    audit = command(tmp_path / "runs", *tokens, "--sections", "adversarial,corruption")
    subprocess.run(audit, check=True, capture_output=True)
    whole = contents(tmp_path, apart=(SHOWN,))
    for shard in tmp_path.rglob("shard-00000.safetensors"):
        flip(shard, -3)
    again = subprocess.run(audit, check=True, capture_output=True, text=True)
    assert again.stderr.count("is damaged: it is made again") == 2
    assert contents(tmp_path, apart=(SHOWN,)) == whole


@given(st.integers(0, 10**6), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_any_flipped_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("bits") / "shard-00000.safetensors"
    tensors = {
        "images": torch.rand(2, 3, 4, 4),
        "labels": torch.tensor([1, 0]),
        "fooled": torch.tensor([True, False]),
    }
    write_tensors(tensors, path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = read_tensors(path)
    except NotbugsError:
        assert not is_whole(path)
    else:  # a bit of the digest's own name, or of the padding of the header
        assert digest_of(found) == digest_of(tensors)


def test_a_shard_in_a_store_is_made_again_as_one_on_disk() -> None:
    root = location("memory://faults/runs")
    run = built(root)
    shard = run.path / "shard-00001.safetensors"
    whole = shard.read_bytes()
    write_atomically(shard, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(NotbugsError, match="is damaged"):
        read_built(run.path)
    assert built(root) == run
    assert shard.read_bytes() == whole
    assert len(read_built(run.path)) == 90


@pytest.mark.parametrize("root", ["here", "memory://faults/withdrawn"])
def test_what_is_withdrawn_is_what_was_begun_and_nothing_else(root: str, tmp_path: Path) -> None:
    where = tmp_path if root == "here" else location(root)
    begun, done = (open_run(where, name, {}) for name in ("begun", "done"))
    write_atomically(done.path / "grid.png", b"somebody's")
    for run in (begun, done):
        run.withdraw()
    assert not begun.path.exists()
    assert {path.name for path in done.path.iterdir()} == {"config.json", "grid.png", "provenance.json"}


def test_a_store_that_does_not_answer_does_not_say_that_nothing_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = built(location("memory://faults/asleep"))

    def refuse(self: MemoryFileSystem, path: str, **options: object) -> None:
        raise ConnectionError("asleep")

    monkeypatch.setattr(MemoryFileSystem, "exists", refuse)
    for ask in (lambda: run.is_done, lambda: is_whole(run.path / "shard-00000.safetensors")):
        with pytest.raises(ConnectionError):
            ask()


def test_a_file_without_a_digest_is_read_as_before(tmp_path: Path) -> None:
    save_file({"labels": torch.zeros(2)}, tmp_path / "old.safetensors")
    assert is_whole(tmp_path / "old.safetensors")


def test_two_who_do_the_same_do_it_once(tmp_path: Path) -> None:
    save_model(build("convnet-16-16-16-16", classes=10, seed=0), tmp_path / "model.safetensors")
    tokens = [
        "build",
        "det",
        "--data",
        "planted",
        "--steps",
        "4",
        "--model",
        str(tmp_path / "model.safetensors"),
    ]
    both = [subprocess.Popen(command(tmp_path / "runs", *tokens), stdout=subprocess.PIPE) for _ in range(2)]
    written: dict[str, int] = {}
    while any(one.poll() is None for one in both):  # nobody replaces what the other has written
        for path in tmp_path.glob("runs/*/shard-*"):
            assert written.setdefault(path.name, path.stat().st_ino) == path.stat().st_ino
        time.sleep(0.02)
    said = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert said[0] == said[1]
    assert len(written) == 8


def test_who_waits_goes_on_when_the_other_is_killed(tmp_path: Path) -> None:
    hold = "import sys, time; from pathlib import Path; from notbugs.alone import alone_in\n"
    hold += "with alone_in(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    notes: list[str] = []

    def watch(done: int, total: int, note: str) -> None:
        notes.append(note)
        if len(notes) == 2:
            other.send_signal(signal.SIGKILL)

    with alone_in(tmp_path, watch), alone_in(tmp_path / "elsewhere"):
        assert other.wait() == -signal.SIGKILL
    other.stdout.close()
    assert set(notes) == {"waiting for another process that works on the same"}
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_runs_backwards_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, config = load("digits").first(64), TrainConfig(epochs=2, lr=0.1, batch_size=32)
    for name in ("forwards", "backwards"):
        train_job(
            Job(root=tmp_path / name, seed=0), "train", model_spec("convnet-8-8-8-8", data), data, config
        )
        built(tmp_path / name)
        now = iter(range(10**9, 0, -100))
        monkeypatch.setattr(time, "time", lambda: float(next(now)))  # noqa: B023
    assert contents(tmp_path / "backwards", apart=(SHOWN,)) == contents(tmp_path / "forwards", apart=(SHOWN,))


def test_files_from_the_future_are_files(tmp_path: Path) -> None:
    """A clock that was set back: what is there is newer than anything that is written now."""
    run = built(tmp_path)
    whole, shards = contents(tmp_path, apart=(SHOWN,)), sorted(run.path.glob("shard-*"))
    shards[1].unlink()
    (run.path / "result.json").unlink()
    for path in tmp_path.rglob("*"):
        os.utime(path, (2**32, 2**32))
    kept = shards[0].stat().st_ino
    assert built(tmp_path).is_done
    assert contents(tmp_path, apart=(SHOWN,)) == whole
    assert shards[0].stat().st_ino == kept
    training = command(tmp_path, "train", "--data", "digits", "--arch", "convnet-8-8-8-8", "--epochs", "1")
    subprocess.run(training, check=True, capture_output=True)
    for path in tmp_path.rglob("*"):
        os.utime(path, (2**32, 2**32))
    again = subprocess.run([*training, "--json"], check=True, capture_output=True, text=True)
    assert json.loads(again.stdout)["metrics"]["clean_accuracy"] > 0


def test_a_full_disk_is_one_line_and_leaves_nothing_half(tmp_path: Path) -> None:
    save_model(build("convnet-8-8-8-8", classes=10, seed=0), tmp_path / "model.safetensors")
    build_it = [
        "build",
        "det",
        "--data",
        "digits",
        "--steps",
        "1",
        "--model",
        str(tmp_path / "model.safetensors"),
    ]
    small = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100_000, 100_000))  # bytes of any one file
    full = subprocess.run(
        command(tmp_path / "runs", *build_it), capture_output=True, text=True, check=False, preexec_fn=small
    )
    assert full.returncode == 2
    assert full.stderr.startswith("notbugs: cannot write")
    assert full.stderr.endswith("free space or choose another --out\n")
    assert full.stderr.count("\n") == 1
    left = [path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert sorted(left) == ["config.json", "provenance.json"]
    for root in ("runs", "never full"):
        subprocess.run(command(tmp_path / root, *build_it), check=True, capture_output=True)
    assert contents(tmp_path / "runs", apart=(SHOWN,)) == contents(tmp_path / "never full", apart=(SHOWN,))


@pytest.mark.parametrize("out", ["/proc/runs", "/dev/null/runs"])
def test_a_root_that_nobody_can_write_to_is_one_line(out: str) -> None:
    tokens = ["train", "--data", "digits", "--arch", "linear", "--epochs", "1"]
    refused = subprocess.run(command(Path(out), *tokens), capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"notbugs: cannot create {out}/train-linear-")
    assert refused.stderr.count("\n") == 1


def test_a_nan_on_disk_is_named_when_its_batch_is_read(tmp_path: Path) -> None:
    run = built(tmp_path)
    path = run.path / "shard-00001.safetensors"
    tensors = read_tensors(path)
    tensors["images"][7, 0, 3, 3] = torch.nan
    write_tensors(tensors, path)
    manifest = json.loads((run.path / "origin.json").read_text())
    manifest["shards"][1]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (run.path / "origin.json").write_text(json.dumps(manifest))
    data = read_built(run.path, stored=True)
    assert isinstance(data.images, StoredImages)
    data.take(torch.arange(37))
    with pytest.raises(NotbugsError, match=r"image 37 has values outside \[0, 1\] \(or NaN\)"):
        data.take(torch.arange(30, 50))
    with pytest.raises(NotbugsError, match="image 37 has values outside"):
        read_built(run.path, stored=False)
