"""Claims: what numbers say of them, and that they can be refuted."""

import math
import random

import pytest

from notbugs.audits import Proportion
from notbugs.errors import NotbugsError
from notbugs.proportion import wilson
from notbugs.study import CHANCE, Correlated, Exact, More, correlation


def judged(more, less, **keywords):
    measured = {"a.clean": Proportion(*more), "b.clean": Proportion(*less), CHANCE: Exact(0.5)}
    return More(says="a beats b", more="a.clean", less="b.clean", source="here", **keywords).judged(measured)


@pytest.mark.parametrize(
    ("more", "less", "finding"),
    [
        ((700, 1000), (500, 1000), "agrees"),
        ((500, 1000), (700, 1000), "disagrees"),
        ((510, 1000), (500, 1000), "undecided"),
    ],
)
def test_numbers_decide(more, less, finding):
    assert judged(more, less).finding == finding


def test_the_interval_is_newcombes():
    """His table II, (a): 56 of 70 against 48 of 80 gives 0.0524 to 0.3339 (Newcombe 1998, method 10)."""
    low, high = judged((56, 70), (48, 80)).interval
    assert round(low, 4) == 0.0524
    assert round(high, 4) == 0.3339


def test_an_interval_covers_a_difference_about_as_often_as_it_says():
    draw, inside = random.Random(0), 0
    for _ in range(400):
        first, second = (sum(draw.random() < p for _ in range(150)) for p in (0.6, 0.45))
        low, high = judged((first, 150), (second, 150)).interval
        inside += low <= 0.15 <= high
    assert 0.92 < inside / 400 < 0.98


@pytest.mark.parametrize(("first", "second"), [(0.55, 0.45), (0.44, 0.16)])
def test_answers_of_one_model_exclude_each_other(first, second):
    """What is right is not relabelled: of independent shares the interval would be too narrow."""
    draw, inside, n = random.Random(1), 0, 400
    claim = More(says="", more="m.clean", less="m.relabelled", source="")
    for _ in range(600):
        answers = [draw.random() for _ in range(n)]
        right = sum(a < first for a in answers)
        other = sum(first <= a < first + second + 1e-9 for a in answers)
        measured = {"m.clean": Proportion(right, n), "m.relabelled": Proportion(other, n)}
        low, high = claim.judged(measured).interval
        inside += low <= first - second <= high
    assert 0.93 < inside / 600 < 0.975


@pytest.mark.parametrize(("few", "many"), [(0.58, 0.60), (0.60, 0.60), (0.1, 0.3)])
def test_what_stands_after_more_steps_stood_before(few, many):
    """The difference is then a share of the images: its interval is about Wilson's of that share."""
    n = 2000
    claim = More(says="", more="m.steps_20", less="m.steps_1000", source="")
    measured = {
        "m.steps_20": Proportion(round(many * n), n),
        "m.steps_1000": Proportion(round(few * n), n),
    }
    low, high = claim.judged(measured).interval
    assert (low, high) == pytest.approx(wilson(many - few, n), rel=0.02, abs=0.002)
    others = More(says="", more="m.steps_20", less="other.steps_1000", source="")
    apart = others.judged({**measured, "other.steps_1000": measured["m.steps_1000"]}).interval
    assert apart[1] - apart[0] > 1.3 * (high - low)


def test_answers_on_a_built_set_exclude_each_other_too():
    counts = {"clean": Proportion(55, 100), "relabelled": Proportion(45, 100)}
    shift = {"on_d_det": counts["clean"], "on_d_det_relabelled": counts["relabelled"]}
    measured = {f"m.{name}": found for name, found in (counts | shift).items()}
    there = More(says="", more="m.on_d_det", less="m.on_d_det_relabelled", source="").judged(measured)
    assert (
        there.interval
        == More(says="", more="m.clean", less="m.relabelled", source="").judged(measured).interval
    )
    apart = More(says="", more="m.clean", less="m.on_d_det_relabelled", source="").judged(measured)
    assert apart.interval[1] < there.interval[1]


@pytest.mark.parametrize("less", [50, -0.1, float("nan")])
def test_a_number_that_is_no_share_is_refused(less):
    with pytest.raises(NotbugsError, match="a share between 0 and 1"):
        More(says="x", more="a.clean", less=less, source="")


def test_a_family_without_pairs_is_refused():
    families = {name: [("a.clean", "b.clean")] for name in "abcd"} | {"e": []}
    with pytest.raises(NotbugsError, match="no pair of metrics for e"):
        Correlated(says="x", families=families, source="")


def test_a_margin_moves_what_agrees():
    assert judged((490, 1000), (500, 1000), by=-0.1).finding == "agrees"
    assert judged((520, 1000), (500, 1000), by=0.1).finding == "disagrees"


def test_chance_is_known_and_has_no_interval_of_its_own():
    claim = More(says="better than guessing", more="a.clean", less=CHANCE, source="here")
    assert claim.metrics() == ("a.clean",)
    verdict = claim.judged({"a.clean": Proportion(600, 1000), CHANCE: Exact(0.5)})
    low, high = Proportion(600, 1000).interval
    assert verdict.interval == pytest.approx((low - 0.5, high - 0.5))


def test_a_difference_of_differences():
    measured = {name: Proportion(n, 1000) for name, n in (("a", 800), ("b", 400), ("c", 900), ("d", 850))}
    claim = More(says="more is lost", more="a", less="b", beyond=("c", "d"), source="here")
    verdict = claim.judged(measured)
    assert verdict.value == pytest.approx(0.35)
    assert claim.metrics() == ("a", "b", "c", "d")
    assert "the others 90.0 against 85.0 %: +35.0 points more" in verdict.found
    widths = [high - low for low, high in (Proportion(n, 1000).interval for n in (800, 400, 900, 850))]
    assert verdict.interval[1] - verdict.interval[0] == pytest.approx(math.hypot(*widths), rel=0.05)


def test_correlation_and_its_interval():
    assert correlation([0, 1, 2, 3], [5, 5, 5, 5]) == (0.0, (-1.0, 1.0))
    found, (low, high) = correlation([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1])
    assert (found, low, high) == (-1.0, -1.0, -1.0)
    families = {str(n): [(f"{n}.x", f"{n}.y")] for n in range(5)}
    measured = {f"{n}.{end}": Proportion(20 + n, 100) for n in range(5) for end in "xy"}
    assert Correlated(says="together", families=families, source="here").judged(measured).finding == "agrees"
    falling = measured | {f"{n}.y": Proportion(90 - n, 100) for n in range(5)}
    assert (
        Correlated(says="together", families=families, source="here").judged(falling).finding == "disagrees"
    )
    one_apart = {f"{n}.x": Proportion(50, 100) for n in range(4)} | {
        f"{n}.y": Proportion(40 + n, 100) for n in range(4)
    }
    one_apart |= {"0.x": Proportion(51, 100), "4.x": Proportion(1, 100), "4.y": Proportion(1, 100)}
    found = Correlated(says="", families=families, source="").judged(one_apart).found
    assert "correlation 1.00 [0.9" in found
    assert "-0.77 to 1.00 with one left out" in found
    with pytest.raises(NotbugsError, match="5 families or more, got 1"):
        Correlated(says="together", families={"0": families["0"]}, source="here")


def test_a_family_counts_once_however_many_of_it_there_are():
    families = {str(n): [(f"{n}.x", f"{n}.y")] for n in range(5)}
    measured = {f"{n}.{end}": Proportion(n if end == "x" else n * n, 100) for n in range(5) for end in "xy"}
    once = Correlated(says="", families=families, source="").judged(measured)
    thrice = Correlated(says="", families=families | {"4": families["4"] * 3}, source="").judged(measured)
    assert (once.value, once.interval) == (thrice.value, thrice.interval)
