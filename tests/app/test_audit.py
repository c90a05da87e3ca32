"""`notbugs audit` to its end: the number, the images behind it, the page, and its repetition after a kill."""

import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from html_reader import read
from PIL import Image

from notbugs.app.report import write_report
from notbugs.data.planted import PlantedTruth, planted
from notbugs.errors import NotbugsError
from notbugs.jobs import read_audit
from notbugs.models import build, load_model, save_model
from notbugs.runs import Run
from notbugs.threats import L2
from notbugs.training import TrainConfig, train

ASKED = ("--data", "planted", "--threat", "l2:0.08", "--suite", "quick", "--n", "60")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    config = TrainConfig(epochs=8, lr=0.1, batch_size=64, precision="float32")
    made = build("convnet-16-32-32-32", classes=10, seed=0)
    save_model(train(made, planted("train", count=1500), config, seed=0), path)
    return path


@pytest.fixture(scope="module")
def run(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    from notbugs.app.cli import main

    root = tmp_path_factory.mktemp("audits")
    main(["audit", str(model), *ASKED, "--out", str(root), "--quiet"])
    (found,) = root.iterdir()
    return Run(found)


def test_it_counts_what_lies_in_its_shards(run: Run, model: Path) -> None:
    result, found = run.result, read_audit(run)
    assert result["metrics"]["robust_accuracy"] == found.robust_accuracy
    assert result["metrics"]["n"] == len(found.found) == 60
    assert 0 < found.robust.count < found.clean.count
    images, test = found.found.images, planted("test").first(60)
    fell = found.found.columns["fell_to"] >= 0
    with torch.no_grad():
        wrong = load_model(model).eval()(images).argmax(1) != test.labels
    assert torch.equal(wrong, fell | (found.found.columns["fell_to"] == -2))
    assert bool(L2(0.08).contains(images, test.images).all())
    assert found.to_json()["felled"] == result["felled"]
    assert found.accuracy_at(0.08) == found.robust
    assert found.accuracy_at(0.0) == found.clean


def test_it_is_found_again(run: Run, model: Path, notbugs: Callable) -> None:
    files = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.name != "report.html"}
    again = notbugs("audit", model, *ASKED, "--out", run.path.parent, "--json")
    assert json.loads(again.out) == run.result
    assert {path: path.stat().st_mtime_ns for path in files} == files
    told = notbugs("audit", model, *ASKED, "--out", run.path.parent)
    assert f"{100 * run.result['metrics']['robust_accuracy']:.1f}" in told.out
    assert "felled by pgd:l2:0.08:20" in told.out
    assert told.out.splitlines()[-1] == str(run.report)


def test_the_page_says_what_the_result_says(run: Run) -> None:
    html = run.report.read_text()
    reader = read(html)
    ids = [attributes["id"] for _, attributes in reader.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    found = read_audit(run)
    for value in (found.clean_accuracy, found.robust_accuracy):
        assert f"{100 * value:.1f}" in html
    for attack in found.attacks:
        assert f"<code>{attack}</code>" in html
    assert "Adversarial − original" in html
    described = [a["aria-label"] for _, a in reader.tags if a.get("role") == "img"]
    assert len(described) == 4
    assert all(re.search(r"\d", text) for text in described)


def test_the_report_can_be_made_again_with_its_originals(run: Run, notbugs: Callable) -> None:
    before = run.report.read_bytes()
    assert notbugs("report", run.path).code == 0
    assert run.report.read_bytes() == before


@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_without_network_shows_it_whole(browser: Any, run: Run, width: int) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 800})
    opened, complaints = context.new_page(), []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(run.report.as_uri())
    assert not complaints
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    visible = opened.evaluate("[...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).length")
    assert visible == 4
    context.close()


FACTORY = """
import torch
from notbugs.data.planted import PlantedTruth

def filter():
    return PlantedTruth().matched_filter("{feature}")

def noisy():
    honest = PlantedTruth().matched_filter("{feature}")
    return lambda images: honest(images + 0.1 * torch.randn_like(images))
"""


def test_any_function_can_be_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(FACTORY.format(feature="nonrobust"))
    margin = PlantedTruth().margin("nonrobust")
    for share, accuracy in ((0.9, 1.0), (1.1, 0.0)):
        told = notbugs(
            "audit", "mine:filter", "--data", "planted", "--threat", f"l2:{share * margin:.4f}", "--suite", "quick",
            "--n", "30", "--no-norms", "--json",
        )  # fmt: skip
        metrics = json.loads(told.out)["metrics"]
        assert metrics["robust_accuracy"] == metrics["clean_accuracy"] * accuracy


def test_after_an_edit_the_same_name_is_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = (
        "audit",
        "edited:filter",
        "--data",
        "planted",
        "--suite",
        "quick",
        "--n",
        "30",
        "--no-norms",
        "--json",
    )
    found = []
    for feature in ("nonrobust", "robust", "robust"):
        Path("edited.py").write_text(FACTORY.format(feature=feature))
        found.append(json.loads(notbugs(*asked).out)["metrics"])
        sys.modules.pop("edited")
        importlib.invalidate_caches()
        shutil.rmtree("__pycache__", ignore_errors=True)
    assert found[0]["robust_accuracy"] < found[1]["robust_accuracy"]
    assert found[1] == found[2]
    assert len(list(Path("runs").iterdir())) == 2


def test_what_a_model_imports_or_reads_tells_it_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reading.py").write_text(
        "from pathlib import Path\n\n"
        "def scaled():\n"
        "    scale = float(Path('scale.txt').read_text())\n"
        "    return lambda images: scale * images.mean(3).flatten(1)[:, :10]\n"
    )
    asked = ("audit", "reading:scaled", "--data", "planted", "--suite", "quick", "--n", "30", "--no-norms")
    for scale, runs in (("1", 1), ("-1", 2), ("1", 2), ("3", 3)):
        Path("scale.txt").write_text(scale)
        told = notbugs(*asked)
        assert told.code == 0, told.err
        assert len(list(Path("runs").iterdir())) == runs


def test_an_exception_in_a_model_is_one_line_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("failing.py").write_text(
        "def model(images):\n"
        "    if len(images) > 2:\n"
        "        raise KeyError('weights')\n"
        "    return images.mean(3).flatten(1)[:, :10]\n\n"
        "def make():\n"
        "    return model\n"
    )
    told = notbugs("audit", "failing:make", "--data", "planted", "--n", "30", "--quiet")
    assert told.code == 2
    assert told.err.splitlines()[-1].startswith("notbugs: the model raised KeyError: 'weights' (")
    assert "failing.py, line 3, in model)" in told.err
    assert "Traceback" not in told.err


def test_all_images_of_an_undivided_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mean.py").write_text("def make():\n    return lambda images: images.mean((2, 3))[:, :2]\n")
    for label, count in (("a", 6), ("b", 7)):
        Path("photos", label).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (8, 8), (40 * index, 90, 80)).save(Path("photos", label, f"{index}.png"))
    for split, n in (("all", 13), ("test", 2)):
        told = notbugs(
            "audit", "mean:make", "--data", "folder:photos", "--split", split, "--suite", "quick", "--json"
        )
        assert told.code == 0, told.err
        assert json.loads(told.out)["metrics"]["n"] == n


def test_reasons_to_distrust_come_with_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("theirs.py").write_text(FACTORY.format(feature="nonrobust"))
    told = notbugs(
        "audit", "theirs:noisy", "--data", "planted", "--threat", "l2:0.1", "--suite", "quick", "--n", "30",
        "--no-norms",
    )  # fmt: skip
    assert told.code == 0, told.err
    assert "beware" in told.out
    (made,) = Path("runs").iterdir()
    assert "Reasons to distrust" in (made / "report.html").read_text()
    assert read_audit(Run(made)).flags


def test_only_an_audit_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"command": "train"}')
    with pytest.raises(NotbugsError, match="holds no audit"):
        read_audit(Run(tmp_path))


def test_without_the_originals_the_page_has_fewer_rows(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    copied = Run(tmp_path / "run")
    config = json.loads((copied.path / "config.json").read_text())
    config["data"]["digest"] = "another"
    (copied.path / "config.json").write_text(json.dumps(config))
    html = write_report(copied).read_text()
    assert "Adversarial − original" not in html
    assert "were not at hand" in html
