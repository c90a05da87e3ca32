"""Lessons: what they compare agrees, for other seeds too; what does not is said."""

import json
import math

import pytest

from notbugs.lessons import LESSONS, Chart, Check, Lesson, Panel, Series, sample_complexity, squares, tradeoff
from notbugs.lessons.gaussian import gaussian_lesson


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The same lessons with fewer draws: what takes its time there are the last digits."""
    monkeypatch.setattr(sample_complexity, "DIMENSIONS", (2**14, 2**16, 2**18))
    monkeypatch.setattr(sample_complexity, "DRAWS", 6)
    monkeypatch.setattr(tradeoff, "SETTINGS", 100)
    monkeypatch.setattr(tradeoff, "NETWORKS", 8)
    for name, quick in (("SIZE", 16), ("IMAGES", 100), ("TESTED", 60), ("ARCH", "convnet-32-64-64-128")):
        monkeypatch.setattr(squares, name, quick)


@pytest.mark.parametrize(
    ("name", "seed"),
    [(name, seed) for name in LESSONS if name not in ("gaussian", "squares") for seed in (0, 7)]
    + [("squares", 7)],
)
def test_formula_and_experiment_agree(name, seed):
    told = []
    lesson = LESSONS[name](seed, lambda done, total, note: told.append((done, total)))
    missed = [str(check) for check in lesson.checks if not check.holds]
    assert not missed
    assert told[-1][0] == told[-1][1], "the bar ends full"
    assert lesson.findings
    assert lesson.charts


def test_robust_likelihood_agrees_up_to_chance():
    lesson = gaussian_lesson(3, draws=40_000)
    by_descent = [check for check in lesson.checks if check.by == "descent"]
    by_draws = [check for check in lesson.checks if check.by != "descent"]
    assert len(by_descent) == 12
    assert all(check.holds for check in by_descent)
    deviations = sorted(3 * abs(check.found - check.formula) / check.allowed for check in by_draws)
    assert deviations[-1] < 4.5
    assert deviations[len(deviations) // 2] < 1.1, "half are within 0.67 of a standard error"


def test_a_lesson_is_the_same_for_the_same_seed_and_survives_json():
    lesson = LESSONS["accurate-and-robust"](1)
    assert lesson.to_json() == LESSONS["accurate-and-robust"](1).to_json()
    text = json.dumps(lesson.to_json(), allow_nan=False)
    assert Lesson.from_json(json.loads(text)).to_json() == lesson.to_json()


@pytest.mark.parametrize(("found", "holds"), [(1.0, True), (1.1, True), (1.2, False), (math.nan, False)])
def test_a_check_holds_within_what_is_allowed(found, holds):
    check = Check(what="one", formula=1.0, found=found, allowed=0.15, by="hand")
    assert check.holds is holds
    assert "1 by formula" in str(check)


def test_what_is_drawn_has_as_many_x_as_y():
    for name in ("accurate-and-robust", "tradeoff"):
        for chart in LESSONS[name](0).charts:
            for panel in chart.panels:
                for series in panel.series:
                    assert len(series.x) == len(series.y) > 0, (name, series.label)
                    assert len(series.low) == len(series.high) in (0, len(series.x))


def test_a_chart_is_plain_values():
    series = Series(label="a", x=[1.0], y=[2.0])
    chart = Chart(title="t", caption="c", panels=[Panel(title="p", x="x", y="y", series=[series])])
    assert chart.panels[0].series[0].y == [2.0]
