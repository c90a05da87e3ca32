"""Run directories."""

import json
from pathlib import Path

import pytest

from notbugs.description import describe
from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.models import build, save_model
from notbugs.runs import load_classifier, open_run
from notbugs.threats import L2
from notbugs.training import TrainConfig


def test_same_config_same_directory_other_config_other_directory(tmp_path: Path) -> None:
    first = open_run(tmp_path, "name", {"a": 1, "b": 2})
    assert open_run(tmp_path, "name", {"b": 2, "a": 1}) == first
    assert open_run(tmp_path, "name", {"a": 1, "b": 3}) != first
    assert first.config == {"a": 1, "b": 2}


def test_a_directory_with_another_config_is_refused(tmp_path: Path) -> None:
    run = open_run(tmp_path, "name", {"a": 1})
    (run.path / "config.json").write_text("{}\n")
    with pytest.raises(NotbugsError, match="is damaged, or another run's; delete it"):
        open_run(tmp_path, "name", {"a": 1})


def test_only_the_result_means_done(tmp_path: Path) -> None:
    run = open_run(tmp_path, "name", {})
    assert not run.is_done
    with pytest.raises(NotbugsError, match="not finished"):
        _ = run.result
    run.finish({"command": "x", "metrics": {}})
    assert run.is_done
    assert run.result == {"schema": 1, "command": "x", "metrics": {}}


def test_configs_are_described_to_the_last_field() -> None:
    described = describe(TrainConfig(epochs=1, lr=0.1))
    assert described["type"] == "TrainConfig"
    assert described["augment"] == {
        "type": "Augmentation", "flip": False, "translate": 0, "cutout": 0, "noise": 0.0,
        "crop": 0.0, "colour": 0.0,
    }  # fmt: skip
    assert describe({"threat": L2(0.5)}) == {"threat": "l2:0.5"}
    json.dumps(described)


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_damaged_provenance_is_written_again(tmp_path: Path, content: str) -> None:
    run = open_run(tmp_path, "name", {"a": 1})
    whole = (run.path / "provenance.json").read_text()
    (run.path / "provenance.json").write_text(content)
    assert open_run(tmp_path, "name", {"a": 1}) == run
    assert (run.path / "provenance.json").read_text() == whole


def test_provenance_names_versions_and_machine(tmp_path: Path) -> None:
    run = open_run(tmp_path, "name", {})
    found = json.loads((run.path / "provenance.json").read_text())
    assert set(found) == {"versions", "commit", "command", "machine"}
    assert found["versions"]["torch"]


def test_a_model_is_found_by_run_or_by_file(tmp_path: Path) -> None:
    model = build("convnet-16-16-16-16", classes=2, seed=0)
    save_model(model, tmp_path / "model.safetensors")
    assert (
        load_classifier(tmp_path).spec == load_classifier(tmp_path / "model.safetensors").spec == model.spec
    )


@pytest.mark.parametrize(
    ("place", "message"), [("nowhere", "there is no model"), (".", "holds no model.safetensors")]
)
def test_a_missing_model_is_one_clear_line(tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(NotbugsError, match=message):
        load_classifier(tmp_path / place)


def test_an_unfinished_training_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(NotbugsError, match="has not finished"):
        load_classifier(tmp_path)


def test_writing_replaces_or_leaves(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    write_atomically(target, "old")
    write_atomically(target, b"new")
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["file.json"]
    assert target.stat().st_mode & 0o777 == 0o644


def test_writing_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotbugsError, match="choose another --out"):
        write_atomically(tmp_path / "file" / "below", "x")


def test_the_seconds_of_a_killed_call_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    run = open_run(tmp_path, "name", {})
    killed = run.clock()
    now = 130.0
    killed.keep()
    now = 500.0  # what it did since is lost
    resumed = run.clock()
    now = 507.0
    assert resumed.seconds == 37.0
    run.finish({"seconds": resumed.seconds})
    assert sorted(path.name for path in run.path.iterdir()) == [
        "config.json",
        "provenance.json",
        "result.json",
    ]
