"""`notbugs audit` to its end: the number, the images behind it, the page, and its repetition after a kill."""

import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from html_reader import read
from PIL import Image

from notbugs.app.report import write_report
from notbugs.data.planted import PlantedTruth, planted
from notbugs.errors import NotbugsError
from notbugs.jobs import SECTIONS, read_adversarial
from notbugs.models import build, load_model, save_model
from notbugs.runs import Run
from notbugs.threats import L2
from notbugs.training import TrainConfig, train

ASKED = ("--data", "planted", "--threat", "l2:0.08", "--suite", "quick", "--norms", "--n", "60")
ATTACKS = ("--suite", "quick", "--sections", "adversarial")


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


def stage(run: Run, section: str) -> Run:
    return Run(run.path / run.result["stages"][0][section])


def test_it_counts_what_lies_in_its_shards(run: Run, model: Path) -> None:
    result, found = run.result, read_adversarial(stage(run, "adversarial"))
    assert result["metrics"]["robust_accuracy"] == found.robust_accuracy
    assert result["metrics"]["n"] == len(found.found) == 60
    assert 0 < found.robust.count < found.clean.count
    images, test = found.found.images, planted("test").first(60)
    fell = found.found.columns["fell_to"] >= 0
    with torch.no_grad():
        wrong = load_model(model).eval()(images).argmax(1) != test.labels
    assert torch.equal(wrong, fell | (found.found.columns["fell_to"] == -2))
    assert bool(L2(0.08).contains(images, test.images).all())
    assert found.to_json()["felled"] == stage(run, "adversarial").result["felled"]
    assert found.accuracy_at(0.08) == found.robust
    assert found.accuracy_at(0.0) == found.clean


def test_it_is_found_again(run: Run, model: Path, notbugs: Callable) -> None:
    files = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.name != "report.html"}
    again = notbugs("audit", model, *ASKED, "--out", run.path.parent, "--json")
    assert json.loads(again.out) == run.result
    assert {path: path.stat().st_mtime_ns for path in files} == files
    told = notbugs("audit", model, *ASKED, "--out", run.path.parent)
    assert f"{100 * run.result['metrics']['robust_accuracy']:.1f}" in told.out
    assert "under attack, l2:0.08" in told.out
    assert told.out.splitlines()[-1] == str(run.report)


def test_the_page_says_what_the_result_says(run: Run) -> None:
    html = run.report.read_text()
    reader = read(html)
    ids = [attributes["id"] for _, attributes in reader.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    found = read_adversarial(stage(run, "adversarial"))
    for value in (found.clean_accuracy, found.robust_accuracy):
        assert f"{100 * value:.1f}" in html
    for attack in found.attacks:
        assert f"Felled by {attack}" in html
    assert "Adversarial − original" in html
    described = [a["aria-label"] for _, a in reader.tags if a.get("role") == "img"]
    assert len(described) >= 12
    assert all(re.search(r"\d", text) for text in described)
    assert {attributes.get("id") for tag, attributes in reader.tags if tag == "h2"} >= set(SECTIONS)


def test_the_report_can_be_made_again_with_its_originals(run: Run, notbugs: Callable) -> None:
    before = run.report.read_bytes()
    assert notbugs("report", run.path).code == 0
    assert run.report.read_bytes() == before


@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_without_network_shows_it_whole(browser: Any, run: Run, width: int) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 800})
    opened, complaints, asked = context.new_page(), [], []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(run.report.as_uri())
    assert not complaints
    assert [url for url in asked if not url.startswith("data:")] == [run.report.as_uri()]
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    visible = opened.evaluate("[...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).length")
    assert visible == len(opened.query_selector_all("[role=img]"))
    context.close()


def test_tables_are_sorted_from_the_keyboard(browser: Any, run: Run) -> None:
    opened = browser.new_page()
    opened.goto(run.report.as_uri())
    table = "section[aria-labelledby=corruption] table"

    def column() -> list[float]:
        return [
            float(cell.get_attribute("data-order"))
            for cell in opened.query_selector_all(f"{table} td:nth-child(2)")
        ]

    before = column()
    opened.focus(f"{table} th:nth-child(2) button")
    for key, expected in (("Enter", sorted(before)), ("Space", sorted(before, reverse=True))):
        opened.keyboard.press(key)
        assert column() == expected
    assert opened.get_attribute(f"{table} th:nth-child(2)", "aria-sort") == "descending"
    opened.close()


def test_every_part_is_reached_from_the_keyboard(browser: Any, run: Run) -> None:
    opened = browser.new_page()
    opened.goto(run.report.as_uri())
    wanted, reached = opened.evaluate("document.querySelectorAll('a, button, summary, .scroll').length"), 0
    for _ in range(2 * wanted):
        opened.keyboard.press("Tab")
        reached += opened.evaluate("document.activeElement !== document.body")
        if opened.evaluate(
            "document.activeElement.tagName === 'SUMMARY' && !document.activeElement.nextElementSibling"
        ):
            break
    assert reached >= wanted
    opened.close()


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
            "audit", "mine:filter", "--data", "planted", "--threat", f"l2:{share * margin:.4f}", *ATTACKS,
            "--n", "30", "--json",
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
        *ATTACKS,
        "--n",
        "30",
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
    asked = ("audit", "reading:scaled", "--data", "planted", *ATTACKS, "--n", "30")
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
        told = notbugs("audit", "mean:make", "--data", "folder:photos", "--split", split, *ATTACKS, "--json")
        assert told.code == 0, told.err
        assert json.loads(told.out)["metrics"]["n"] == n


def test_reasons_to_distrust_come_with_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("theirs.py").write_text(FACTORY.format(feature="nonrobust"))
    told = notbugs(
        "audit", "theirs:noisy", "--data", "planted", "--threat", "l2:0.1", *ATTACKS, "--n", "30",
    )  # fmt: skip
    assert told.code == 0, told.err
    assert "beware" in told.out
    (made,) = Path("runs").iterdir()
    assert "Reasons to distrust" in (made / "report.html").read_text()
    assert Run(made).result["flags"]
    assert read_adversarial(stage(Run(made), "adversarial")).flags


def test_only_an_audit_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"command": "train"}')
    with pytest.raises(NotbugsError, match="holds no audit"):
        read_adversarial(Run(tmp_path))


def test_without_the_originals_the_page_has_fewer_rows(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    copied = Run(tmp_path / "run")
    config = json.loads((copied.path / "config.json").read_text())
    config["data"]["digest"] = "another"
    (copied.path / "config.json").write_text(json.dumps(config))
    html = write_report(copied).read_text()
    assert "Adversarial − original" not in html
    assert "were not at hand" in html


def test_several_models_stand_side_by_side(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shaped.py").write_text(FACTORY.format(feature="robust"))
    asked = ("audit", model, "shaped:filter", *ASKED)
    told = notbugs(*asked, "--json")
    assert told.code == 0, told.err
    metrics = json.loads(told.out)["metrics"]
    assert metrics["2.robust_accuracy"] > metrics["1.robust_accuracy"]
    assert (
        metrics["2.reliance.robust.only"]
        == metrics["2.clean_accuracy"]
        > metrics["2.reliance.robust.without"]
    )
    assert metrics["2.reliance.nonrobust.without"] == metrics["2.clean_accuracy"]
    (made,) = Path("runs").iterdir()
    html = (made / "report.html").read_text()
    assert "Against model.safetensors, shaped:filter" in html
    printed = notbugs(*asked).out
    assert "model.safetensors" in printed
    assert "shaped:filter" in printed


STRANGER = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 7, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Linear(128, 3)

    def forward(self, images):
        return self.head(self.body((images - 0.45) / 0.22))

def make():
    torch.manual_seed(0)
    return Net()

def certain():
    net = make()
    return lambda images: net(images).softmax(1)
"""


def test_a_strangers_model_at_224_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stranger.py").write_text(STRANGER)
    draw = np.random.default_rng(0)
    for label in range(3):
        Path("photos", f"class {label}").mkdir(parents=True)
        for index in range(5):
            pixels = draw.integers(0, 256, (7, 7, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((224, 224)).save(Path("photos", f"class {label}", f"{index}.png"))
    asked = ("--data", "folder:photos", "--split", "all", "--suite", "quick", "--n", "9", "--json")
    told = notbugs("audit", "stranger:make", *asked)
    assert told.code == 0, told.err
    assert "224x224" in told.err
    metrics = json.loads(told.out)["metrics"]
    assert {
        "robust_accuracy",
        "corruption.fog.3",
        "filter.low.56",
        "reliance.shape.without",
        "regions.strongest",
    } <= set(metrics)
    told = notbugs("audit", "stranger:certain", *asked, "--sections", "adversarial")
    assert "probabilities" in {flag["name"] for flag in json.loads(told.out)["flags"]}


@pytest.mark.parametrize("limit, code", [("robust=0.0", 0), ("clean=1", 1), ("corruption.fog.mean=0.99", 1)])
def test_a_program_can_decide_by_the_exit_code(
    model: Path, run: Run, notbugs: Callable, limit: str, code: int
) -> None:
    told = notbugs("audit", model, *ASKED, "--out", run.path.parent, "--fail-under", limit)
    assert told.code == code
    assert ("below" in told.err) == bool(code)
