"""The tables of docs/drawing.md hold the committed numbers."""

import json
import re
from pathlib import Path

import pytest

from notbugs.models import zoo_card, zoo_names

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "drawing.md").read_text(encoding="utf-8")
ROWS = {
    "inversion, root mean square error": ("inversion", "rms_error", 1),
    "inversion over frequencies": ("inversion over frequencies", "rms_error", 1),
    "super-resolution 2x, PSNR": ("super-resolution x2", "psnr", 1),
    "super-resolution 2x, SSIM": ("super-resolution x2", "ssim", 1),
    "super-resolution 4x, PSNR": ("super-resolution x4", "psnr", 1),
    "super-resolution 4x, SSIM": ("super-resolution x4", "ssim", 1),
    "super-resolution 7x, PSNR": ("super-resolution x7", "psnr", 1),
    "super-resolution 7x, SSIM": ("super-resolution x7", "ssim", 1),
    "in-painting, error inside the hole": ("in-painting", "error_inside", 1),
    "perceptual alignment": ("alignment", "cosine_to_the_next_classes_mean", 1),
    "in-painting as published, error": ("in-painting as published", "error_inside", 1),
    **{
        f"{kind}, {label}, {judge} judge": (f"{kind}, {judge} judge", measure, scale)
        for kind in ("generation", "generation as published")
        for judge in ("standard", "robust")
        for label, measure, scale in (
            ("class score", "class_score", 1),
            ("Fréchet distance", "frechet_distance", 1),
            ("seen as its class, %", "right_class", 100),
        )
    },
    "generation, nearest training image": ("generation", "nearest_training_image", 1),
}


def numbers(text):
    return [float(found) for found in re.findall(r"-?\d+\.?\d*", text)]


def cells_of(start):
    lines = [line for line in PAGE.splitlines() if line.startswith(f"| {start}")]
    assert len(lines) == 1, start
    return lines[0].removeprefix("| ").removesuffix(" |").split(" | ")


@pytest.mark.parametrize("row", ROWS)
def test_the_table_holds_the_committed_numbers(row):
    kind, measure, scale = ROWS[row]
    measures = json.loads((ROOT / "results" / "drawings.json").read_text())["measures"]
    columns = ("cifar10-robust", "cifar10-standard", "robust - standard")
    for cell, column in zip(cells_of(row)[2:5], columns, strict=True):
        found = measures[column].get(kind, {}).get(measure)
        if not found:
            assert (column, cell.strip()) == ("robust - standard", ""), (
                "what is of no pair of images has no difference"
            )
            continue
        wanted = [scale * number for number in (found["value"], *found["interval"])]
        digits = len(cell.split(" ")[0].partition(".")[2])
        assert numbers(cell) == [round(number, digits) for number in wanted], (row, column)


def test_the_robust_model_is_better_wherever_the_page_says_so():
    measures = json.loads((ROOT / "results" / "drawings.json").read_text())["measures"]
    for row, (kind, measure, _) in ROWS.items():
        better = cells_of(row)[1]
        robust, standard = (
            measures[name][kind][measure]["value"] for name in ("cifar10-robust", "cifar10-standard")
        )
        if better in ("less", "more") and "as published" not in row:
            assert (robust < standard) == (better == "less"), row


@pytest.mark.parametrize("name", zoo_names())
def test_the_models_are_what_their_cards_say(name):
    card, cells = zoo_card(name), cells_of(f"`zoo:{name}`")
    for cell, wanted in zip(cells[1:], (card.clean_accuracy, card.robust_accuracy), strict=True):
        assert numbers(cell) == [round(100 * number, 1) for number in wanted]


def test_the_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)
    drawn = names["drawn"]
    assert len(drawn.path) == 6
    assert bool((drawn.after > drawn.before).all())


def test_the_page_has_no_gaps():
    assert not re.findall(r"\b(?:JUDGE\w*|TABLE|TODO|NUMBERS)\b", PAGE)


def test_the_judges_are_the_committed_ones():
    judges = json.loads((ROOT / "results" / "drawings.json").read_text())["judges"]
    for judge in judges.values():
        assert f"{100 * judge['clean_accuracy']:.1f} %" in PAGE


def test_the_collisions_are_the_committed_ones():
    result = json.loads((ROOT / "results" / "collisions.json").read_text())
    for name in ("cifar10-standard", "cifar10-robust"):
        (found,) = result["models"][name]
        mean, (low, high) = found["reduction"]["mean"], found["reduction"]["interval"]
        assert f"`zoo:{name}` {100 * mean:.1f} % [{100 * low:.1f}, {100 * high:.1f}]" in PAGE
