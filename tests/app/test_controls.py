"""Controls: a study of every kind of part, what it found of its claims, its page and its table."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from html_reader import read
from miniature import miniature_control
from rich.console import Console

from notbugs import recipes
from notbugs.app.report import write_report
from notbugs.app.table import study_table, verdict_table
from notbugs.data.labeled import LabeledImages
from notbugs.data.planted import planted
from notbugs.runs import Run
from notbugs.study import rejudged, run_study


@pytest.fixture(scope="module")
def data() -> tuple[LabeledImages, LabeledImages]:
    return planted(count=200), planted("test", count=60)


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory, data: tuple[LabeledImages, LabeledImages]) -> Run:
    images, test = data
    run = run_study(miniature_control(), images, test, root=tmp_path_factory.mktemp("runs"), seed=0)
    write_report(run, originals=images)
    return run


def words(run: Run) -> str:
    return " ".join(read(run.report.read_text()).text.split())


def test_every_model_is_measured_but_the_encoder(control: Run) -> None:
    metrics = control.result["metrics"]
    assert {name.partition(".")[0] for name in metrics} == set(miniature_control().models) - {"encoder"}
    for name in (
        "on_det_test",
        "on_det_test_l2_0.5",
        "fooled_by_det_test",
        "steps_1",
        "steps_3",
        "l2_0.5_audit",
    ):
        assert f"standard.{name}" in metrics
    assert "other.fooled_by_det_test" in metrics
    assert "other.on_det_test" not in metrics
    assert metrics["standard.steps_3"] <= metrics["standard.steps_1"]


def test_claims_are_judged(control: Run) -> None:
    now, always, chance = control.result["verdicts"]
    assert now["says"] == "It is right now and then"
    assert always["finding"] == "disagrees"
    assert chance["found"].startswith(f"{100 * control.result['chance']:.1f} against")
    assert json.loads(json.dumps(control.result))["verdicts"] == control.result["verdicts"]


def test_the_page_says_what_was_expected_and_what_came(control: Run) -> None:
    html, text = control.report.read_text(), words(control)
    assert "Does everything run?" in text
    assert "3 expectations: " in text
    assert "Not as expected: it is always right" in text
    for said in ("What the encoder sees", "It is right now and thenarithmetic", "A caption."):
        assert said in text
    assert "a linear classifier of the features of “Encoder”, on images changed imperceptibly" in text
    assert "the data as they are, without their labels" not in text, "it is no row of the table"
    assert "OtherDdet of the test images" in text
    assert "det, under the original labels" in text
    assert "50 % det, the rest the data as they are" in text
    assert "the first 50 images" in text
    assert html.count("<svg") >= 2 * (2 + 1)


def test_the_table_fits_a_terminal(control: Run) -> None:
    console = Console(width=80, record=True)
    console.print(study_table(control.result))
    console.print(verdict_table(control.result))
    text = console.export_text()
    assert "nobody" in text
    assert "not as expected" in text
    assert "Other on D_det of the test images, fooled: " in " ".join(text.split())


def test_claims_that_change_are_judged_again_and_nothing_is_measured(
    tmp_path: Path, control: Run, data: tuple[LabeledImages, LabeledImages]
) -> None:
    shutil.copytree(control.path, tmp_path / "again")
    run, study = Run(tmp_path / "again"), miniature_control()
    assert not rejudged(study, run)
    before = run.result
    changed = replace(study, claims=study.claims[:1], question="Another?")
    assert rejudged(changed, run)
    assert [one["says"] for one in run.result["verdicts"]] == ["It is right now and then"]
    assert run.result["verdicts"][0] == before["verdicts"][0]
    assert run.result["metrics"] == before["metrics"]
    assert "Another?" in read(write_report(run).read_text()).text
    asked = {
        "root": control.path.parent,
        "seed": control.config["seed"],
        "precision": control.config["precision"],
    }
    seconds = control.result["seconds"]
    assert [one["says"] for one in run_study(changed, *data, **asked).result["verdicts"]] == [
        "It is right now and then"
    ]
    assert run_study(study, *data, **asked).result == before
    assert control.result["seconds"] == seconds


def test_a_study_of_an_earlier_version_is_refused_in_a_line(
    tmp_path: Path, control: Run, notbugs: Callable[..., Any]
) -> None:
    shutil.copytree(control.path, tmp_path / "old")
    old = {key: value for key, value in control.result.items() if key not in ("models", "sets", "verdicts")}
    (tmp_path / "old" / "result.json").write_text(json.dumps(old))
    refused = notbugs("report", tmp_path / "old")
    assert refused.code == 2
    assert "was made by an earlier version" in refused.err
    assert len(refused.err.strip().splitlines()) == 1


def test_the_command_names_every_control(notbugs: Callable[..., Any]) -> None:
    told = " ".join(notbugs("study", "--help").out.replace("│", " ").split())
    assert all(name in told for name in recipes.CONTROLS)


def test_the_command_runs_a_control_on_images_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notbugs: Callable[..., Any]
) -> None:
    """Its stages in several processes; every stage is begun once, by one of them."""
    monkeypatch.setitem(recipes.CONTROLS, "everything", miniature_control)
    outcome = notbugs("study", "everything", "--data", "digits", "--out", tmp_path, "--json")
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert result["config"]["study"]["source"] == "digits"
    assert len(result["verdicts"]) == 3
    (run,) = tmp_path.iterdir()
    stages = [path.name.rpartition("-")[0] for path in run.iterdir() if path.is_dir()]
    assert len(stages) == len(set(stages))
    assert "notbugs study everything --data digits" in (run / "report.html").read_text()
