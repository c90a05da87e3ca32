"""The report of a miniature study: whole, self-contained, the same bytes twice, readable without a network."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from html_reader import read
from miniature import miniature

from notbugs import recipes
from notbugs.app.findings import disagreements, headline
from notbugs.app.naming import push_text
from notbugs.app.repeating import repeat_command
from notbugs.app.report import write_report
from notbugs.app.rows import study_measures, study_rows
from notbugs.app.studying import _chosen_study
from notbugs.app.table import metrics_table, study_table
from notbugs.data.labeled import LabeledImages
from notbugs.data.planted import planted
from notbugs.description import describe, to_json
from notbugs.errors import NotbugsError
from notbugs.runs import Run
from notbugs.study import Study, run_study

HOSTILE = '<script src="http://example.org/x.js"></script>'


@pytest.fixture(scope="session")
def originals() -> LabeledImages:
    names = ("class 0", HOSTILE, *(f"class {k}" for k in range(2, 10)))
    return replace(planted(count=200), class_names=names)


@pytest.fixture(scope="session")
def study_run(tmp_path_factory: pytest.TempPathFactory, originals: LabeledImages) -> Run:
    test = replace(planted("test", count=60), class_names=originals.class_names)
    run = run_study(miniature(), originals, test, root=tmp_path_factory.mktemp("runs"), seed=0)
    write_report(run, originals=originals)
    return run


@pytest.fixture
def copied(study_run: Run, tmp_path: Path) -> Run:
    """The study in a directory that a test may change."""
    shutil.copytree(study_run.path, tmp_path / "study")
    return Run(tmp_path / "study")


def page(run: Run) -> str:
    return run.report.read_text()


def rewritten(run: Run, originals: LabeledImages, **changes: object) -> str:
    """The report after some entries of result.json have changed."""
    (run.path / "result.json").write_text(to_json({**run.result, **changes}))
    return write_report(run, originals=originals).read_text()


def test_the_page_is_balanced_named_and_described(study_run: Run) -> None:
    reader = read(page(study_run))
    ids = [attributes["id"] for _, attributes in reader.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert [tag for tag, _ in reader.tags].count("h1") == 1
    for tag, attributes in reader.tags:
        if tag == "img":
            assert attributes.get("alt")
        if tag == "th":
            assert attributes.get("scope") in ("row", "col")
        if attributes.get("role") == "img":
            assert re.search(r"\d", attributes.get("aria-label") or "")
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_nothing_is_loaded_from_anywhere(study_run: Run) -> None:
    html = page(study_run)
    for tag, attributes in read(html).tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            value = attributes.get(name) or ""
            assert (
                value.startswith(("data:", "#")) or (tag == "a" and value.startswith("https://")) or not value
            )
        assert tag not in ("script", "iframe", "object", "embed")
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert "@import" not in html


def test_class_names_cannot_become_markup(study_run: Run) -> None:
    assert "&lt;script" in page(study_run)
    assert "<script" not in page(study_run)


def test_every_number_of_the_result_is_on_the_page(study_run: Run) -> None:
    text, result = read(page(study_run)).text, study_run.result
    rows = {(row.key, key): cell for row in study_rows(result) for key, cell in row.cells.items()}
    for name, value in result["metrics"].items():
        model, _, measure = name.partition(".")
        assert f"{100 * value:.1f}" in text
        low, high = result["intervals"][name]
        assert f"{100 * low:.1f}–{100 * high:.1f}" in text
        assert str(result["counts"][name]) in text
        assert rows[model, measure].value == value
    for value in result["expected"].values():
        assert f"closed form {100 * value:.1f}" in text
    for seconds in (*result["stage_seconds"].values(), result["seconds"]):
        assert f"{seconds:.1f}" in text
    for stage in result["stages"].values():
        measured = Run(study_run.path / stage).path / "origin.json"
        if measured.is_file():
            values = json.loads(measured.read_text())["measured"]
            assert all(
                (f"{100 * v:.1f} %" if k == "fooling_rate" else f"{v:.3f}") in text for k, v in values.items()
            )


def test_every_column_under_attack_names_threat_attack_and_n(study_run: Run) -> None:
    attacked = [measure for measure in study_measures(study_run.result) if measure.attacked]
    assert [m.title for m in attacked] == ["Under attack, L2 ε = 0.25", "Under attack, L2 ε = 0.5"]
    for measure in attacked:
        assert "PGD, 2 steps, on cross-entropy then margin, n = 40" in measure.how
        assert measure.how in page(study_run)
    assert "Attacked: the first 40 of them" in page(study_run)


def test_the_same_run_gives_the_same_bytes(study_run: Run, originals: LabeledImages) -> None:
    before = study_run.report.read_bytes()
    write_report(study_run, originals=originals)
    assert study_run.report.read_bytes() == before


def test_reasons_to_distrust_come_before_the_numbers(copied: Run, originals: LabeledImages) -> None:
    html = rewritten(copied, originals, flags=[{"of": "data_d_det", "reason": "only 12% <fooled>"}])
    assert html.index("only 12% &lt;fooled&gt;") < html.index("What each model gets right")
    assert "Reasons to distrust" not in rewritten(copied, originals, flags=[])


def test_originals_are_shown_or_their_absence_is_said(study_run: Run, copied: Run) -> None:
    assert "Planted shape" in page(study_run)
    assert "− original, ×" in page(study_run)
    # These class names are not the planted ones, so the images cannot be had again by name.
    html = write_report(copied).read_text()
    assert "were not at hand" in html
    assert "− original, ×" not in html


def test_a_study_with_fewer_parts_still_has_its_report(copied: Run, originals: LabeledImages) -> None:
    result = copied.result
    kept = {
        name: value for name, value in result["metrics"].items() if not name.startswith(("d_rand", "d_r."))
    }
    stages = {
        name: path
        for name, path in result["stages"].items()
        if name.removeprefix("data_").removeprefix("test_") not in ("d_rand", "d_r")
    }
    seconds = {name: spent for name, spent in result["stage_seconds"].items() if name in stages}
    fewer = {
        "metrics": kept,
        "stages": stages,
        "stage_seconds": seconds,
        "expected": {},
        "intervals": {},
        "between": {},
    }
    html = rewritten(copied, originals, **fewer, published={"d_det.clean": 0.78})
    read(html)
    assert "Student of D<sub>rand</sub>" not in html
    assert "paper 78.0" in html
    assert "closed form" not in html
    read(rewritten(copied, originals, expected={}, published={}, counts={}, flags=[]))


def test_trainings_and_builds_have_reports_too(copied: Run, originals: LabeledImages) -> None:
    stages = copied.result["stages"]
    html = write_report(Run(copied.path / stages["robust"])).read_text()
    assert "Training curves over 2 epochs" in html
    read(html)
    html = write_report(Run(copied.path / stages["data_d_det"]), originals=originals).read_text()
    assert "fools that model" in html
    assert html.count("<img ") == 8 * 3 + 8 * 3  # original, shape, pattern; built, change, ideal change
    read(html)


def test_the_python_of_a_report_runs(copied: Run, tmp_path: Path) -> None:
    """What a reader pastes: even where a path holds what must be quoted."""
    moved = Run(tmp_path / """a "quoted" model's run""")
    shutil.copytree(copied.path / copied.result["stages"]["robust"], moved.path)
    write_report(moved)
    (code,) = re.findall(r"import notbugs as nb\nmodel = .*", read(page(moved)).text)
    names: dict[str, Any] = {}
    exec(code, names)
    model = names["model"]
    assert not model.training
    assert model(planted(count=20).images).shape == (20, 10)
    built = write_report(Run(copied.path / copied.result["stages"]["data_d_det"])).read_text()
    (code,) = re.findall(r"nb\.load\(.*\)", read(built).text)
    assert len(eval(code, names)) == 200


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotbugsError, match="not finished"):
        write_report(Run(tmp_path))


def test_the_headline_follows_the_numbers(study_run: Run) -> None:
    result = study_run.result

    def said(det: float, rand: float) -> str:
        changed = {**result, "metrics": {**result["metrics"], "d_det.clean": det, "d_rand.clean": rand}}
        changed["intervals"] = {
            **result["intervals"],
            "d_det.clean": (det - 0.02, det + 0.02),
            "d_rand.clean": (rand - 0.02, rand + 0.02),
        }
        return headline(study_rows(changed), 0.1)

    assert "labels are all wrong still gets 44.0 %" in said(0.44, 0.63)
    assert "drawn at random still gets 94.0 %" in said(0.10, 0.94)
    assert "nothing that helps" in said(0.1, 0.1)


def test_large_gaps_are_told_one_by_one_and_small_ones_together(study_run: Run) -> None:
    result = {
        **study_run.result,
        "metrics": {"robust.clean": 0.5, "d_r.clean": 0.89, "d_nr.clean": 0.97},
        "intervals": {"robust.clean": (0.4, 0.6), "d_r.clean": (0.888, 0.892), "d_nr.clean": (0.96, 0.98)},
        "expected": {"robust.clean": 0.9, "d_r.clean": 0.9, "d_nr.clean": 0.97},
    }
    said = disagreements(study_rows(result), study_measures(result))
    assert said == [
        "Robust model, clean: 50.0 %, 40.0 points below the closed form’s 90.0 %.",
        "1 further cell differs by more than chance explains, by at most 1.0 points.",
    ]


def test_a_cell_outside_the_range_of_two_closed_forms_is_told_and_marked(
    copied: Run, originals: LabeledImages
) -> None:
    result = {
        **copied.result,
        "metrics": {**copied.result["metrics"], "d_det.clean": 0.99},
        "intervals": {**copied.result["intervals"], "d_det.clean": (0.985, 0.995)},
        "expected": {},
        "between": {"d_det.clean": (0.011, 0.97)},
    }
    said = ["1 further cell differs by more than chance explains, by at most 2.0 points."]
    assert disagreements(study_rows(result), study_measures(result)) == said
    result["between"] = {"d_det.clean": (0.011, 0.9)}
    said = ["Student of D_det, clean: 99.0 %, 9.0 points above the closed forms’ range, 1.1 to 90.0 %."]
    assert disagreements(study_rows(result), study_measures(result)) == said
    html = rewritten(
        copied, originals, **{**result, "expected": {"d_r.clean": result["metrics"]["d_r.clean"]}}
    )
    assert "Every number agrees" not in html
    assert "closed form 1.1 to 90.0 ≠" in read(html).text
    assert "what the ideal classifier would keep" not in html  # nothing falls short of it under attack
    between = {"d_det.clean": (0.011, 0.9936)}
    assert disagreements(study_rows(result | {"between": between}), study_measures(result)) == []


def test_it_is_said_why_trained_models_fall_short_of_a_closed_form_under_attack(
    copied: Run, originals: LabeledImages
) -> None:
    metrics = {**copied.result["metrics"], "d_r.l2_0.5": 0.1}
    intervals = {**copied.result["intervals"], "d_r.l2_0.5": (0.05, 0.2)}
    html = rewritten(copied, originals, metrics=metrics, intervals=intervals, expected={"d_r.l2_0.5": 0.9})
    assert (
        "Student of D<sub>R</sub>, under attack, L2\u00a0ε\u00a0=\u00a00.5: 10.0\u00a0%, 80.0 points below"
        in html
    )
    assert "what the ideal classifier would keep" in html


def test_a_push_is_imperceptible_only_inside_the_budget_of_the_study(copied: Run) -> None:
    """Dog against cat builds D_det in L2 2.0, and tests in 0.5."""
    text = read(write_report(copied).read_text()).text
    assert "images changed imperceptibly, within L2 ε = 0.5, every label wrong" in text
    assert "Each image pushed, imperceptibly, within L2 ε = 0.5, towards the next class" in text
    assert text.count("moved within L2 ε = 0.5 towards what") == 2
    changed = copied.result
    stage = Run(copied.path / changed["stages"]["data_d_det"])
    config = stage.config
    for builder in (changed["config"]["study"]["sets"]["d_det"]["builder"], config["builder"]):
        builder["attack"]["threat"] = "l2:2.0"
    (stage.path / "config.json").write_text(to_json(config))
    (copied.path / "result.json").write_text(to_json(changed))
    text = read(write_report(copied).read_text()).text
    assert "images changed within L2 ε = 2.0, every label wrong" in text
    assert "Each image pushed, within L2 ε = 2.0, towards the next class" in text
    assert text.count("imperceptibly") == 2  # D_rand, which stays as it was
    assert "imperceptibly" not in read(write_report(stage).read_text()).text
    assert push_text("linf:0.1", "l2:0.5") == "within L∞ ε = 0.1"


def result_of(study: Study) -> dict[str, object]:
    return {"config": {"study": describe(study.computed()), "seed": 0, "precision": "auto"}}


@pytest.mark.parametrize("key", sorted(recipes.STUDIES))
def test_a_study_is_repeated_by_its_command_whatever_it_says_of_itself(key: str) -> None:
    own = recipes.STUDIES[key]()
    others = replace(own, source="folder:my photos", published={}, published_in="", duration="")
    name = "cifar10 --recipe paper" if key == "paper" else key
    assert repeat_command(result_of(own)) == f"notbugs study {name} --seed 0"
    assert (
        repeat_command(result_of(others), Path("a b")) == f"notbugs study {name} --data 'folder:my photos' "
        "--seed 0 --out 'a b'"
    )
    assert repeat_command(result_of(replace(own, attack_steps=3))) == ""


def test_the_images_decide_which_recipe_is_meant() -> None:
    names = {
        source: _chosen_study("", source, "fast").name
        for source in ("", "planted-spurious", "digits", "cifar10", "cifar10:cat,dog", "folder:my")
    }
    assert list(names.values()) == ["planted", "planted", "digits", "cifar10", "dog-vs-cat", "photographs"]


def test_the_tables_of_the_terminal_hold_the_same_numbers(study_run: Run) -> None:
    from rich.console import Console

    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(study_table(study_run.result))
    stage = Run(study_run.path / study_run.result["stages"]["standard"])
    console.print(metrics_table(stage.result))
    text = console.export_text()
    console.file.close()
    for value in study_run.result["metrics"].values():
        assert f"{100 * value:.1f}" in text
    assert "ε 0.25" in text
    assert "train_loss" in text


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_without_network_shows_it_whole(
    browser: object, study_run: Run, width: int, scheme: str
) -> None:
    context = browser.new_context(  # type: ignore[attr-defined]
        offline=True, viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    opened, asked, complaints = context.new_page(), [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(study_run.report.as_uri())
    assert not complaints
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    visible = opened.evaluate("[...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).length")
    assert visible == 1 + 7  # bars in one of their two forms, seven panels of curves
    context.close()
