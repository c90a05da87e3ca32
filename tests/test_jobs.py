"""Training and building on disk: the same bytes whatever happens in between."""

from pathlib import Path

import pytest
import torch

from notbugs.data.planted import planted
from notbugs.data.shards import read_built, read_origin, shard_path
from notbugs.errors import NotbugsError
from notbugs.features import MatchEmbeddings, PushToTarget, build_dataset
from notbugs.jobs import Job, build_flags, build_job, model_spec, train_job, trained_model
from notbugs.models import build
from notbugs.recipes import targeted_attack
from notbugs.runs import Run
from notbugs.threats import L2
from notbugs.training import TrainConfig

DATA = planted("train", count=90)
ARCH = "convnet-16-16-16-16"
BUILDERS = [
    MatchEmbeddings(steps=2, step_size=0.5),
    PushToTarget(attack=targeted_attack(L2(0.5), steps=2, step_size=0.2), targets="random"),
]


def job(root: Path) -> Job:
    return Job(root=root, seed=0, precision="float32")


def built(root: Path, builder: MatchEmbeddings | PushToTarget) -> Run:
    return build_job(job(root), "built", builder, build(ARCH, classes=10, seed=0), DATA, shard_size=40)


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.kind)
def test_what_is_written_is_what_the_library_builds(tmp_path: Path, builder: MatchEmbeddings) -> None:
    on_disk = read_built(built(tmp_path, builder).path)
    in_memory = build_dataset(
        builder, build(ARCH, classes=10, seed=0), DATA, seed=0, shard_size=40, precision="float32"
    )
    assert on_disk.digest == in_memory.digest
    assert {name: column.tolist() for name, column in on_disk.columns.items()} == {
        name: column.tolist() for name, column in in_memory.columns.items()
    }
    assert on_disk.origin == in_memory.origin


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_shard_is_rebuilt_alone_and_the_same(tmp_path: Path, lost: int) -> None:
    run = built(tmp_path, BUILDERS[1])
    before = {path.name: path.read_bytes() for path in run.path.glob("shard-*")}
    shard_path(run.path, lost).unlink()
    times = {path: path.stat().st_mtime_ns for path in run.path.glob("shard-*")}
    built(tmp_path, BUILDERS[1])
    assert {path.name: path.read_bytes() for path in run.path.glob("shard-*")} == before
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    run = built(tmp_path, BUILDERS[0])
    before = (run.path / "result.json").stat().st_mtime_ns
    assert built(tmp_path, BUILDERS[0]) == run
    assert (run.path / "result.json").stat().st_mtime_ns == before


def test_the_manifest_tells_what_was_measured(tmp_path: Path) -> None:
    manifest = read_origin(built(tmp_path, BUILDERS[1]).path)
    assert 0 <= manifest["measured"]["fooling_rate"] <= 1
    assert manifest["measured"]["max_distance"] <= 0.5 + 1e-5
    assert manifest["parent"] == DATA.digest
    assert len(manifest["shards"]) == 3


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    run = built(tmp_path, BUILDERS[0])
    path = shard_path(run.path, 1)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(NotbugsError, match=r"shard-00001.*digest differs"):
        read_built(run.path)


def test_an_unfinished_set_is_not_read(tmp_path: Path) -> None:
    run = built(tmp_path, BUILDERS[0])
    (run.path / "origin.json").unlink()
    with pytest.raises(NotbugsError, match="has not finished"):
        read_built(run.path)


def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    config = TrainConfig(epochs=4, lr=0.05, batch_size=30, average=0.9)
    spec = model_spec(ARCH, DATA)
    whole = train_job(job(tmp_path / "whole"), "t", spec, DATA, config, validation=DATA)

    class Killed(Exception):
        pass

    def dies_in_epoch_three(done: int, total: int, note: str) -> None:
        if done > 7:
            raise Killed

    stopped = Job(root=tmp_path / "parts", seed=0, precision="float32", progress=dies_in_epoch_three)
    with pytest.raises(Killed):
        train_job(stopped, "t", spec, DATA, config, validation=DATA)
    resumed = train_job(job(tmp_path / "parts"), "t", spec, DATA, config, validation=DATA)
    for name in ("model.safetensors", "metrics.jsonl", "config.json", "provenance.json"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    assert not resumed.checkpoint.exists()
    assert len(resumed.read_metrics()) == 4
    assert not trained_model(resumed, torch.device("cpu")).training


def test_a_build_that_fools_too_few_says_so(tmp_path: Path) -> None:
    (flag,) = built(tmp_path, BUILDERS[1]).result["flags"]
    assert flag["of"] == "built"
    assert "of its images fool the source model" in flag["reason"]
    assert build_flags("d", {"fooling_rate": 0.95}) == []
    (flag,) = build_flags("d", {"feature_residual": 0.4, "feature_residual_at_start": 0.7})
    assert flag["reason"] == "features matched to 0.40 only, from 0.70: more steps"


def test_the_accuracy_of_a_training_is_counted_in_float32(tmp_path: Path) -> None:
    test = planted("test", count=150)
    here = Job(root=tmp_path, seed=0, precision="bfloat16")
    spec, config = model_spec(ARCH, DATA), TrainConfig(epochs=2, lr=0.1, batch_size=30)
    run = train_job(here, "trained", spec, DATA, config, validation=test)
    model = trained_model(run, torch.device("cpu"))
    right = int((model(test.images).argmax(1) == test.labels).sum())
    assert run.result["metrics"]["clean_accuracy"] == right / 150
