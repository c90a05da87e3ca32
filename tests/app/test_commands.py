"""Every command to its end, as a user calls it: what it prints, what is there afterwards, and its repetition."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniature import miniature
from PIL import Image

from notbugs import recipes
from notbugs.app.canvas import Canvas
from notbugs.data import load
from notbugs.models import build, save_model
from notbugs.synthesis import Pace

SMALL = ("--data", "folder:photos", "--arch", "convnet-16-16-16-16", "--epochs", "1", "--batch-size", "16")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 images of each of two classes, a light and a dark one."""
    directory, rng = tmp_path_factory.mktemp("commands"), np.random.default_rng(0)
    for name, shade in (("dark", 60), ("light", 180)):
        (directory / "photos" / name).mkdir(parents=True)
        for index in range(50):
            pixels = rng.normal(shade, 40, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(directory / "photos" / name / f"{index:02}.png")
    return directory


def parsed(outcome: Any) -> Any:
    """What was printed, which is one JSON value and nothing else."""
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_a_study_then_its_report_and_its_data_sets(
    photos: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(photos)
    study = replace(miniature(batch_size=16), name="tiny", source="folder:photos", duration="no time at all")
    monkeypatch.setitem(recipes.STUDIES, "tiny", lambda: study)

    first = notbugs("study", "tiny", "--json")
    result = parsed(first)
    assert "convnet-16-16-16-16, l2:0.5; takes no time at all" in first.err
    assert "train robust: " in first.err
    assert result["command"] == "study"
    assert {name.partition(".")[0] for name in result["metrics"]} == {
        "standard", "robust", "brief", "d_r", "d_nr", "d_rand", "d_det",
    }  # fmt: skip
    (run,) = Path("runs").iterdir()
    assert json.loads((run / "result.json").read_text()) == result
    report = (run / "report.html").read_bytes()

    # Nothing is computed, loaded by a worker, or written again.
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a finished study started work")

    files = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr("notbugs.execution.side_by_side", started)
        patch.setattr("notbugs.study.run_study", started)
        again = notbugs("study", "tiny", "--json")
    assert (again.out, again.err) == (first.out, "")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == files

    table = notbugs("study", "tiny", "--quiet")
    assert table.code == 0
    assert "D_det " in table.out
    assert table.out.splitlines()[-1] == str(run / "report.html")

    (run / "report.html").unlink()
    written = parsed(notbugs("report", run, "--json"))
    assert written == {"command": "report", "reports": [str(run / "report.html")]}
    assert (run / "report.html").read_bytes() == report
    assert notbugs("report", run).out == f"{run / 'report.html'}\n"
    assert notbugs("report", run, "--quiet").out == ""

    built = run / result["stages"]["data_d_det"]
    for kind in ("parquet", "imagefolder", "npz"):
        written = parsed(notbugs("export", built, "--to", kind, "--json"))
        directory = Path(written["path"])
        assert written == {
            "command": "export", "from": str(built), "to": kind, "path": f"{built}-{kind}", "n": 80,
        }  # fmt: skip
        assert (directory / "README.md").is_file()
    assert load(f"parquet:{built}-parquet").digest == load(f"built:{built}").digest
    assert len(load(f"folder:{built}-imagefolder/train")) == 64  # a fifth of undivided images is for tests
    assert np.load(built.with_name(f"{built.name}-npz") / "train.npz")["labels"].shape == (80,)
    assert notbugs("export", built, "--to", "npz", "--out", "elsewhere").out == "elsewhere\n"


def test_a_training_then_a_build(photos: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable) -> None:
    monkeypatch.chdir(photos)
    trained = notbugs("train", *SMALL, "--out", "models", "--json")
    result = parsed(trained)
    assert result["command"] == "train"
    assert result["metrics"]["n"] == 20
    assert notbugs("train", *SMALL, "--out", "models", "--json").out == trained.out
    (model,) = Path("models").iterdir()
    assert (model / "report.html").is_file()

    made = ("build", "det", "--model", model, "--data", "folder:photos", "--steps", "2", "--out", "sets")
    built = notbugs(*made, "--json")
    result = parsed(built)
    assert result["command"] == "build"
    assert set(result["metrics"]) >= {"fooling_rate", "n"}
    assert notbugs(*made, "--json").out == built.out
    (directory,) = Path("sets").iterdir()
    labels = load(f"built:{directory}")
    assert (labels.labels == 1 - labels.columns["original_label"]).all()
    assert "fooling_rate" in notbugs(*made, "--quiet").out


def test_the_doctor_looks_where_it_is_told(tmp_path: Path, notbugs: Callable) -> None:
    found = {
        one["name"]: one
        for one in parsed(
            notbugs(
                "doctor", "--json", "--device", "cpu", "--precision", "float32", "--out", tmp_path / "runs"
            )
        )
    }
    assert found["device"]["detail"].startswith("cpu")
    assert found["input gradient"]["works"] is True
    assert "float32" in found["input gradient"]["detail"]
    assert found["bfloat16"]["works"] is None  # slow is a fact, not a fault
    assert found["disk"]["detail"].startswith(str(tmp_path / "runs"))
    assert "NO" not in notbugs("doctor").out

    (tmp_path / "file").write_text("")
    wrong = notbugs("doctor", "--quiet", "--out", tmp_path / "file" / "runs")
    assert wrong.out.startswith("NO  disk")
    assert wrong.out.count("\n") == 1
    assert notbugs("doctor", "--device", "cuda:99").code == 2


def test_a_corrupted_copy_is_written_once_and_seen(
    photos: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(photos)
    asked = (
        "--data",
        "folder:photos",
        "--corruptions",
        "fog,contrast",
        "--severities",
        "1,5",
        "--out",
        "copy",
    )
    result = parsed(notbugs("corrupt", *asked, "--json"))
    assert result["metrics"] == {"n": 20, "corruptions": 2, "severities": 2, "images": 80}
    (run,) = Path("copy").iterdir()
    assert run.name.startswith("photos-C-")
    assert np.load(run / "fog.npy").shape == (40, 32, 32, 3)
    assert np.load(run / "labels.npy").tolist() == 2 * load("folder:photos", split="test").labels.tolist()
    page = (run / "report.html").read_text()
    assert page.count("<img") == 6
    assert "Contrast" in page
    (run / "fog.npy").unlink()
    times = {path: path.stat().st_mtime_ns for path in run.glob("*.npy")}
    assert parsed(notbugs("corrupt", *asked, "--json", "--quiet")) == result
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (run / "fog.npy").is_file()
    for wrong, said in (("--corruptions", "fog,fogg"), ("--severities", "1,x"), ("--severities", "1,6")):
        refused = notbugs("corrupt", "--data", "folder:photos", wrong, said, "--out", "nothing")
        assert refused.code == 2
    assert not Path("nothing").exists()


def test_a_drawing_is_a_sheet_an_animation_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(build("convnet-8-8-8-8", classes=10, seed=0), "model.safetensors")
    draw = (
        "draw",
        "translate",
        "--model",
        "model.safetensors",
        "--steps",
        "4",
        "--n",
        "4",
        "--to",
        "ship",
        "--json",
    )
    result = parsed(notbugs(*draw))
    assert result["metrics"]["log_probability"] > result["metrics"]["log_probability_at_start"]
    (run,) = Path("runs").iterdir()
    page = (run / "report.html").read_text()
    assert "Each image turned into another class" in page
    assert page.count("data:image/webp") == 1
    with Image.open(run / "grid.png") as sheet:
        assert sheet.size == (4 * 100 + 4, 2 * 100 + 4)
    assert parsed(notbugs(*draw)) == result
    refused = notbugs(*draw[:-3], "--to", "tree")
    assert (refused.code, len(list(Path("runs").iterdir()))) == (2, 1)
    assert "tree" in refused.err
    for words, said in (
        (("collide", "--step-size", "1"), "collide takes no --step-size"),
        (("saliency", "--eps", "1"), "saliency takes no --eps"),
        (("sketch", "--eps", "1e20"), "eps must be positive and at most"),
        (("sketch", "--step-size", "inf"), "step_size must be at most"),
        (("manipulate", "--levels", "1,nan"), "expected numbers with commas between"),
        (("inpaint", "--hole", "foo"), "--hole 'foo': expected TOP,LEFT,HEIGHTxWIDTH"),
        (("paint", "--unit", "999"), "the model has the features"),
        (("translate", "--data", "sketches:ship,cat"), "in this order"),
    ):
        refused = notbugs("draw", *words, "--n", "2", "--out", "nothing", "--quiet")
        assert (refused.code, said in refused.err) == (2, True), refused.err
        assert not any(Path("nothing").glob("*")), "a refused drawing left a directory"
    for words in (("manipulate", "--levels", "1,x"), ("counterfactual", "--within", "1;2")):
        refused = notbugs("draw", *words, "--out", "nowhere")
        assert (refused.code, Path("nowhere").exists()) == (2, False)
        assert f"{words[1]} '{words[2]}': expected numbers with commas between" in refused.err


def test_a_sheet_may_be_wider_than_an_animation_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(build("convnet-8-8-8-8", classes=10, seed=0), "model.safetensors")
    result = parsed(
        notbugs("draw", "sketch", "--model", "model.safetensors", "--n", "170", "--steps", "1", "--json")
    )
    assert result["counts"]["distance"] == 170
    (run,) = Path("runs").iterdir()
    with Image.open(run / "grid.png") as sheet, Image.open(run / "path.webp") as moving:
        assert sheet.width == 170 * 100 + 4
        assert moving.width == 24 * 100 + 4


def test_an_eps_alone_is_one_that_can_be_reached() -> None:
    pace = Canvas(eps=3.0).paced(Pace(eps=0.5, steps=50, step_size=0.01), 64, 16)
    assert (pace.eps, pace.steps, pace.side) == (3.0, 50, 32.0)
    assert pace.steps * pace.step_size >= pace.eps
    given = Canvas(eps=3.0, step_size=0.01).paced(Pace(eps=0.5, steps=50, step_size=0.02), 64, 16)
    assert given.step_size == 0.01
    assert pace.scaled(64, 16) == pace  # what was asked for is of these images, wide or narrow
