"""The figures of an audit: the numbers that went in come out, in every page, for every name, as the same bytes."""

import math
import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

import notbugs.app
from notbugs.app.audit_bars import SHOWN, class_bars, felled_bars
from notbugs.app.audit_curves import POINTS, Curve, distance_curves, robust_accuracy_curves
from notbugs.app.figures import Series
from notbugs.errors import NotbugsError
from notbugs.proportion import Proportion
from notbugs.threats import L2, Linf

STYLE = (Path(notbugs.app.__file__).parent / "templates" / "style.css").read_text()
STRANGE = ("<script>alert(1)</script>", "犬", "$x_1$ & 50 %", "a name that goes on and on " * 8)


def curve(label, values, *, eps=(0, 0.25, 0.5, 1.0), n=400):
    found = [Proportion(round(n * value), n) for value in values]
    return Curve(
        label=label, at=eps, values=[one.value for one in found], intervals=[one.interval for one in found]
    )


def series(label, values):
    found = [Proportion(round(200 * value), 200) for value in values]
    return Series(
        label=label,
        values=[one.value for one in found],
        intervals=[one.interval for one in found],
        references=[None] * len(found),
    )


@cache
def drawings(names=("standard", "robust", "student of D_R", "pgd-margin:l2:0.5:20")):
    """Each figure once, with these names in it."""
    spread = [
        [0.0] * 5 + [0.1 * (k + 1) * i / 50 for i in range(60)] + [math.inf] * 3 for k in range(len(names))
    ]
    return {
        "curves": robust_accuracy_curves(
            [curve(name, [0.9, 0.62 - k / 8, 0.4 - k / 8, 0.01]) for k, name in enumerate(names)],
            audited=L2(0.5),
            name="curves",
        ),
        "distances": distance_curves(
            dict(zip(names, spread, strict=True)), audited=Linf(8 / 255), name="distances"
        ),
        "felled": felled_bars(93, [(name, 400 - 100 * k) for k, name in enumerate(names)], 7, name="felled"),
        "classes": class_bars(
            names,
            [series("Clean", [0.9, 0.8, 0.7, 0.6]), series("Attacked", [0.5, 0.4, 0, 0.1])],
            name="classes",
        ),
    }


def text_of(svg):
    """Every text of a figure, in order."""
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(with_links(svg)).iter() if
            element.tag.endswith("}text")]  # fmt: skip


def with_links(svg):
    """As a document of its own: inside a page the prefix needs no declaration."""
    return (
        svg
        if "xmlns:xlink" in svg
        else svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
    )


# All of them


@pytest.mark.parametrize("kind", ["curves", "distances", "felled", "classes"])
def test_a_figure_is_drawing_in_the_colours_of_the_page(kind):
    drawn = drawings()[kind]
    ids = [id_ for svg in (drawn.wide, drawn.narrow) for id_ in re.findall(r'\sid="([^"]+)"', svg)]
    assert ids
    assert len(ids) == len(set(ids))
    for svg in (drawn.wide, drawn.narrow):
        ElementTree.fromstring(with_links(svg))
        assert "aria-hidden" in svg
        assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", svg)  # a colour that as_svg does not know
        assert set(re.findall(r"var\(--([a-z]+)", svg)) <= set(re.findall(r"--([a-z]+):", STYLE))
        assert "<style" not in svg
        assert "font-family" not in svg
        assert len(svg) < 100_000
    assert re.search(r"\d", drawn.alt)


def test_the_same_numbers_give_the_same_bytes():
    assert drawings.__wrapped__() == drawings()


@pytest.mark.parametrize("kind", ["curves", "distances", "felled", "classes"])
def test_any_name_can_stand_in_a_figure(kind):
    """Classes are named after folders: markup, other scripts, mathematics, and no end of letters."""
    drawn = drawings(names=STRANGE)[kind]
    for svg in (drawn.wide, drawn.narrow):
        assert "<script" not in svg
        texts = " ".join(text_of(svg))
        assert "<script>alert(1)" in texts
        assert "犬" in texts
        assert "$x_1$ & 50 %" in texts
        assert "on and on a name that goes on and on" not in texts
    assert all(name in drawn.alt for name in STRANGE)


@pytest.mark.parametrize("width", [1100, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_all_of_it(browser, tmp_path, width, scheme):
    """Every text inside its figure, in the page's ink, and no text of a figure upon another."""
    figures = "".join(
        f'<figure><div class="wide">{drawn.wide}</div><div class="narrow">{drawn.narrow}</div></figure>'
        for drawn in drawings().values()
    )
    page = tmp_path / "page.html"
    page.write_text(f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><main>{figures}</main>')
    context = browser.new_context(offline=True, viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened = context.new_page()
    opened.goto(page.as_uri())
    shown = opened.evaluate(
        """() => [...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).map(svg => {
            const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] };
            return [box(svg), [...svg.querySelectorAll('text')].map(
                t => [t.textContent.trim(), box(t), getComputedStyle(t).fill])];
        })"""
    )
    inks = opened.evaluate(
        """() => ['ink', 'muted'].map(name => { document.body.style.color = `var(--${name})`;
            return getComputedStyle(document.body).color; })"""
    )
    assert len(shown) == 4
    for (left, top, right, bottom), texts in shown:
        assert texts
        for text, box, fill in texts:
            assert fill in inks, text
            assert left - 1 <= box[0], text
            assert top - 1 <= box[1], text
            assert box[2] <= right + 1, text
            assert box[3] <= bottom + 1, text
        for number, (text, one, _) in enumerate(texts):
            for other_text, other, _ in texts[number + 1 :]:
                beside = min(one[2], other[2]) - max(one[0], other[0])
                above = min(one[3], other[3]) - max(one[1], other[1])
                # A line's box is taller than its letters: 40 % of a shared line is no overlap that is seen.
                height = min(one[3] - one[1], other[3] - other[1])
                assert beside <= 1 or above <= 0.4 * height, (text, other_text)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


# Accuracy by eps


def test_accuracies_are_written_at_the_audited_eps_and_told_everywhere():
    drawn = robust_accuracy_curves(
        [curve("first", [0.9, 0.5, 0.2, 0.0]), curve("second", [0.8, 0.7, 0.6, 0.3])],
        audited=L2(0.5),
        name="x",
    )
    texts = text_of(drawn.wide)
    assert "audited: L2 ε = 0.5" in texts
    assert [text for text in texts if re.fullmatch(r"\d+\.\d", text) and float(text) > 1] == ["20.0", "60.0"]
    assert "first: 90.0 at 0, 50.0 at 0.25, 20.0 at 0.5, 0.0 at 1." in drawn.alt
    assert "second: 80.0 at 0, 70.0 at 0.25, 60.0 at 0.5, 30.0 at 1." in drawn.alt


def test_linf_is_read_in_255ths():
    one = curve("model", [0.9, 0.4, 0.1], eps=(0, 4 / 255, 8 / 255))
    drawn = robust_accuracy_curves([one], audited=Linf(8 / 255), name="x")
    assert "ε: largest change of a value, in 1/255" in text_of(drawn.wide)
    assert "audited: L∞ ε = 8/255" in text_of(drawn.wide)
    assert "model: 90.0 at 0, 40.0 at 4, 10.0 at 8." in drawn.alt


def test_values_that_lie_on_each_other_are_written_apart():
    drawn = robust_accuracy_curves(
        [curve(f"model {k}", [0.9, 0.3, 0.0, 0.0]) for k in range(4)], audited=L2(0.5), name="x"
    )
    heights = re.findall(r'<text style="[^"]*"[^>]*y="([\d.]+)"[^>]*>0\.0</text>', drawn.wide)
    heights = heights or re.findall(r"translate\([\d.]+ ([\d.]+)\)[^>]*>0\.0</text>", drawn.wide)
    assert len({float(height) for height in heights}) >= 4


# Distances


def test_the_shares_are_those_of_the_distances():
    values = [0.0, 0.0, 0.1, 0.3, 0.3, 0.5, 0.7, math.inf, math.inf, math.inf]
    drawn = distance_curves({"model": values, "nothing": []}, audited=L2(0.3), name="x")
    assert drawn.alt.endswith("model: 20.0 wrong already, 50.0 within L2 ε = 0.3, 30.0 without any found.")
    assert "50.0" in text_of(drawn.wide)
    assert "nothing" not in " ".join(text_of(drawn.wide))


def test_a_line_of_many_images_stays_small():
    drawn = distance_curves({"model": [i / 50_000 for i in range(50_000)]}, audited=L2(0.5), name="x")
    assert len(drawn.wide) < 60 * POINTS + 20_000
    assert "50.0 within L2 ε = 0.5, 0.0 without any found" in drawn.alt


def test_an_image_on_the_edge_of_the_ball_is_within_it():
    drawn = distance_curves({"model": [0.5 + 1e-6, 0.501]}, audited=L2(0.5), name="x")
    assert "50.0 within" in drawn.alt


@pytest.mark.parametrize("values", [[math.inf] * 3, [0.0] * 3, [0.2]])
def test_distances_of_one_kind_can_be_drawn(values):
    assert "audited" in distance_curves({"model": values}, audited=L2(0.3), name="x").wide


# What fell to what


def test_every_part_has_its_name_and_number_in_order():
    drawn = felled_bars(93, [("apgd-ce", 412), ("fab", 0), ("square", 24)], 471, name="x")
    wanted = ["all 1000 images", "wrong without attack", "apgd-ce", "fab", "square", "withstand all attacks"]
    numbers = ["93 (9.3 %)", "412 (41.2 %)", "0 (0.0 %)", "24 (2.4 %)", "471 (47.1 %)"]
    for svg in (drawn.wide, drawn.narrow):
        texts = [re.sub(r"\s+", " ", text) for text in text_of(svg)]
        assert [text for text in texts if text in wanted] == wanted
        assert [text for text in texts if text in numbers] == numbers
    assert drawn.alt == (
        "Of 1000 images 93 are wrong without attack, 412 fall to apgd-ce, 0 fall to fab, 24 fall to square, "
        "471 withstand all."
    )


def test_the_parts_of_the_stack_are_as_long_as_their_shares():
    drawn = felled_bars(100, [("a", 300), ("b", 200)], 400, name="x")
    bars = [
        (max(xs) - min(xs))
        for path, color in re.findall(r'<path d="([^"]+)"[^>]*style="fill: (var\([^)]*\))', drawn.wide)
        if len(xs := [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)]) >= 4 and "page" not in color
    ]
    lower = bars[1::2]
    shares = [length / sum(lower) for length in lower]
    assert shares == pytest.approx([0.1, 0.3, 0.2, 0.4], abs=1e-3)
    assert bars[::2] == pytest.approx(
        lower, abs=0.003 * sum(lower)
    )  # the stack: a hair shorter, its parts stay apart


# Classes


def test_of_many_classes_the_worst_are_shown():
    names = [f"class {k}" for k in range(100)]
    attacked = [0.005 * ((37 * k) % 100) for k in range(100)]
    drawn = class_bars(names, [series("Clean", [0.9] * 100), series("Attacked", attacked)], name="x")
    worst = sorted(range(100), key=lambda k: attacked[k])[:SHOWN]
    shown = [text for text in text_of(drawn.wide) if text.startswith("class")]
    assert shown == [names[k] for k in worst]
    assert f"the {SHOWN} worst of 100" in drawn.alt
    assert f"{names[worst[3]]}: clean 90.0, attacked {100 * attacked[worst[3]]:.1f}." in drawn.alt


def test_nothing_to_draw_is_said():
    with pytest.raises(NotbugsError, match="no curve to draw"):
        robust_accuracy_curves([], audited=L2(0.5), name="x")
    with pytest.raises(NotbugsError, match="no distances to draw"):
        distance_curves({"model": []}, audited=L2(0.5), name="x")
    with pytest.raises(NotbugsError, match="no images, nothing to draw"):
        felled_bars(0, [("pgd", 0)], 0, name="x")
