"""`notbugs theory`: the page, what is kept, what is refused; how charts are drawn."""

import json
import re
from typing import get_args

import pytest

from notbugs import jobs
from notbugs.app.charts import chart_drawing
from notbugs.app.teaching import Name
from notbugs.jobs import teaching
from notbugs.lessons import LESSONS, Chart, Check, Lesson, Panel, Series

LINE = Series(label="a line", x=[1, 10, 100], y=[0.1, 0.2, 0.3], low=[0.0, 0.1, 0.2], high=[0.2, 0.3, 0.4])
DOTS = Series(label="points", x=[1.0, 50.0], y=[0.1, 0.2], style="points")
CHART = Chart(
    title="Two panels",
    caption="",
    panels=[
        Panel(title="one", x="n", y="share", series=[LINE, DOTS], log="x"),
        Panel(title="two", x="n", y="share", series=[LINE, DOTS], equal=True),
    ],
)


def test_one_lesson_makes_a_page_and_is_kept(notbugs, tmp_path):
    first = notbugs("theory", "accurate-and-robust", "--out", str(tmp_path), "--json")
    assert first.code == 0
    result = json.loads(first.out)
    assert result["metrics"]["accurate-and-robust.agree"] == result["metrics"]["accurate-and-robust.compared"]
    (run,) = tmp_path.iterdir()
    page = (run / "report.html").read_text()
    assert "Accurate, robust, and not found" in page
    assert "<svg" in page
    assert not re.search(r"(src|href)=.https?:", page)
    done = jobs.theory_job(jobs.Job(root=tmp_path, seed=0), ["accurate-and-robust"]).finished_at
    assert notbugs("theory", "accurate-and-robust", "--out", str(tmp_path)).code == 0
    assert (run / "result.json").stat().st_mtime == done, "it was found, not made again"
    assert notbugs("report", str(run)).code == 0


def test_a_lesson_that_there_is_not_is_refused(notbugs, tmp_path):
    refused = notbugs("theory", "tradeof", "--out", str(tmp_path))
    assert refused.code == 2
    assert len(refused.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_command_knows_every_lesson():
    assert get_args(Name) == ("all", *LESSONS)


def test_what_does_not_agree_is_said(notbugs, tmp_path, monkeypatch):
    wrong = Check(what="a number", formula=1.0, found=2.0, allowed=0.1, by="hand")
    lesson = Lesson(
        title="Wrong", source="nobody", claim="None.", findings=[], checks=[wrong], charts=[CHART]
    )
    monkeypatch.setitem(teaching.LESSONS, "tradeoff", lambda seed, progress: lesson)
    run = jobs.theory_job(jobs.Job(root=tmp_path, seed=0), ["tradeoff"])
    assert run.result["metrics"] == {"tradeoff.agree": 0, "tradeoff.compared": 1}
    assert "a number: 2 by hand, 1 by formula" in run.result["flags"][0]["reason"]
    assert notbugs("report", str(run.path)).code == 0
    page = run.report.read_text()
    assert "too far" in page
    assert "0 of 1 numbers" in page


def test_a_chart_is_the_same_bytes_again_and_says_what_it_shows():
    drawing = chart_drawing(CHART, "chart")
    assert drawing == chart_drawing(CHART, "chart")
    assert "a line, n 1 to 100, share 0.1 to 0.3" in drawing.alt
    assert drawing.wide.count("a line") == 1, "panels of the same things share a legend"
    assert drawing.wide.startswith("<svg")
    assert "mathdefault" not in drawing.wide


@pytest.mark.parametrize("value", [0.01, 1, 1000, 100_000, 10_000_000])
def test_numbers_on_logarithmic_axes_are_plain(value):
    panel = Panel(title="p", x="x", y="y", log="xy", series=[Series(label="l", x=[value], y=[value])])
    drawing = chart_drawing(Chart(title="t", caption="", panels=[panel]), "plain")
    assert "e+" not in drawing.wide
