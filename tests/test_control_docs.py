"""docs/controls.md says what results/control-*.json hold, and those hold what the recipes claim."""

import json
from pathlib import Path

import pytest

from notbugs.audits import Proportion
from notbugs.description import to_json
from notbugs.recipes import CONTROLS
from notbugs.study import CHANCE, Exact

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")
FOUND = {"agrees": "as expected", "disagrees": "**not** as expected", "undecided": "open"}


def result_of(name):
    return json.loads((ROOT / "results" / f"control-{name}.json").read_text())


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_every_control_has_its_numbers_on_the_page(name):
    section = PAGE.split(f"(`{name}`)")[1].split("\n## ")[0]
    for verdict in result_of(name)["verdicts"]:
        published = (
            f"{verdict['published']} ({verdict['source']})" if verdict["published"] else verdict["source"]
        )
        row = f"| {verdict['says']} | {published} | {verdict['found']} | {FOUND[verdict['finding']]} |"
        assert row in section, row


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_the_results_are_of_the_recipes_as_they_are(name):
    control, result = CONTROLS[name](), result_of(name)
    counts = result["counts"]
    measured = {
        name: Proportion(round(v * counts[name]), counts[name]) for name, v in result["metrics"].items()
    }
    judged = [claim.judged(measured | {CHANCE: Exact(result["chance"])}) for claim in control.claims]
    assert [vars(verdict) for verdict in judged] == [
        {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in one.items()
            if key != "finding"
        }
        for one in result["verdicts"]
    ]
    assert json.loads(to_json(control.computed())) == result["config"]["study"]


def test_the_readme_counts_the_claims():
    found = [one["finding"] for name in CONTROLS for one in result_of(name)["verdicts"]]
    agree, open_, not_ = (found.count(one) for one in ("agrees", "undecided", "disagrees"))
    said = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"of {len(found)} claims {agree} came out as expected, {open_} are open and {not_} did not" in said


def test_signs_that_must_not_turn():
    """Whose features adversarial images carry; what fools one alone teaches nothing; what transfers is learned."""
    sources = result_of("sources")["metrics"]
    assert sources["det_standard.clean"] > sources["det_standard.relabelled"]
    assert sources["det_robust.relabelled"] > sources["det_robust.clean"]
    assert abs(result_of("untransferable")["metrics"]["alone.clean"] - 0.5) < 0.03
    (together,) = result_of("transfer")["verdicts"]
    assert together["value"] > 0
