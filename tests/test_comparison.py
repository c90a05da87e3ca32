"""Models that differ in one thing, trained and audited side by side, in one directory that is found again."""

import json
from dataclasses import replace

import pytest
import torch
from app.html_reader import read

from notbugs import recipes
from notbugs.app.report import write_report
from notbugs.comparison import Comparison, run_comparison
from notbugs.data import load
from notbugs.data.planted import planted
from notbugs.data.shifted import under_shift
from notbugs.data.tagged import tag_region, tagged
from notbugs.errors import NotbugsError
from notbugs.jobs import PLANS
from notbugs.threats import L2, Region, Restricted
from notbugs.training import TrainConfig

SHORT = TrainConfig(epochs=2, lr=0.1, batch_size=64, precision="float32")
PLAN = replace(
    PLANS["quick"], sections=("corruption", "reliance", "regions"), corruptions=("fog", "contrast")
)
SMALL = Comparison(
    name="small",
    source="planted-spurious",
    arch="convnet-8-8-8-8",
    threat=L2(0.5),
    models={"first": SHORT, "second": replace(SHORT, weight_decay=0.01)},
    plan=PLAN,
    tested=50,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root, data = tmp_path_factory.mktemp("runs"), planted("train", count=200, spurious=True)
    asked = {"data": lambda model: data, "test": planted("test", count=80, spurious=True)}
    return run_comparison(SMALL, **asked, root=root, seed=0), asked


def test_every_model_has_every_number(made):
    run, _ = made
    metrics = run.result["metrics"]
    for model in SMALL.models:
        for name in ("clean_accuracy", "corruption.fog.3", "reliance.spurious.without"):
            assert 0 <= metrics[f"{model}.{name}"] <= 1
    assert run.result["config"]["n"] == 50
    assert not [name for name in metrics if name.split(".")[0] not in SMALL.models]


def test_it_is_found_again_and_has_a_report(made):
    run, asked = made
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    again = run_comparison(SMALL, **asked, root=run.path.parent, seed=0)
    assert again == run
    assert {path: path.stat().st_mtime_ns for path in before} == before
    html = write_report(run, originals=asked["test"].part(50)).read_text()
    assert "Against first, second" in html
    assert "second, without" in html


def test_models_begin_alike(made):
    run, _ = made
    trained = [next(run.path.glob(f"{name}-*")) for name in SMALL.models]
    assert len({json.loads((one / "config.json").read_text())["seed"] for one in trained}) == 1


def test_what_filtered_images_teach_is_shown_beside_what_they_tell(tmp_path):
    filtered = replace(
        SMALL,
        models=dict.fromkeys(("standard", "low 4", "high 12"), replace(SHORT, epochs=1)),
        sources={"low 4": "planted-spurious@low:4", "high 12": "planted-spurious@high:12"},
        plan=replace(PLAN, sections=("frequency",), vectors=0),
    )
    data = planted("train", count=100, spurious=True)
    seen = {"standard": data, "low 4": under_shift(data, "low:4"), "high 12": under_shift(data, "high:12")}
    test = planted("test", count=80, spurious=True)
    run = run_comparison(filtered, seen.__getitem__, test, root=tmp_path, seed=0)
    metrics = run.result["metrics"]
    page = read(write_report(run, originals=test.part(50)).read_text())
    assert "Trained and tested on the same frequencies" in page.text
    assert "What was learned from some frequencies" in page.text
    for model, key in (("high 12", "filter.high.12"), ("low 4", "filter.low.4")):
        own, standard = (100 * metrics[f"{one}.{key}"] for one in (model, "standard"))
        assert f"gets {standard:.1f}" in page.text
        assert f"gets {own:.1f}" in page.text
    # The curves by cut-off are of the model that saw whole images.
    assert "Low-pass filtered" in page.text
    assert page.text.count("Only patterns coarser than the cut-off are left") == 1


@pytest.mark.parametrize(
    "wrong",
    [{"models": {"a": SHORT, "a.b": SHORT}}, {"models": {"a/b": SHORT}}, {"sources": {"third": "planted"}}],
)
def test_a_comparison_that_cannot_be_is_refused(wrong):
    with pytest.raises(NotbugsError, match="small"):
        replace(SMALL, **wrong)


@pytest.mark.parametrize("make", recipes.COMPARISONS.values(), ids=recipes.COMPARISONS)
def test_the_recipes_hold_together(make):
    comparison = make()
    assert set(comparison.sources) <= set(comparison.models)
    assert comparison.duration


def test_the_critic_is_held_to_the_tag():
    data = planted("test", count=20, spurious=True)
    region = recipes.critic().threat
    assert isinstance(region, Restricted)
    assert region.family == Region(*tag_region(32, 32))
    moved = region.project(data.images.flip(0), data.images)
    assert bool(((moved - data.images).abs().amax(1) > 0).sum((1, 2)).max() <= 25)


@pytest.mark.parametrize("side", [32, 64])
def test_the_critic_of_photographs_can_turn_any_tag_into_any_other(side):
    threat = recipes.critic_of_photographs("digits", image_size=(side, side)).threat
    assert isinstance(threat, Restricted)
    assert threat.family == Region(*tag_region(side, side))
    digits = load("digits").first(20)
    large = replace(digits, images=torch.nn.functional.interpolate(digits.images, side))
    shown = tagged(large, split="train").images
    moved = threat.project(shown.flip(0), shown)
    top, left, height, width = tag_region(side, side)
    inside = (..., slice(top, top + height), slice(left, left + width))
    assert torch.equal(moved[inside], shown.flip(0)[inside])


def test_a_tag_says_the_class_in_training_and_not_in_the_test():
    digits = load("digits").first(600)
    for split, low, high in (("train", 0.95, 1.0), ("test", 0.04, 0.18)):
        shown = tagged(digits, split=split)
        agree = float((shown.columns["spurious_class"] == shown.labels).float().mean())
        assert low < agree < high
        top, left, height, width = tag_region(32, 32)
        inside = torch.zeros(32, 32, dtype=torch.bool)
        inside[top : top + height, left : left + width] = True
        assert torch.equal(shown.images[..., ~inside], digits.images[..., ~inside])
        tags = shown.images[..., inside]
        for one in range(10):
            of_class = tags[shown.columns["spurious_class"] == one]
            assert bool((of_class == of_class[0]).all())
    assert load("tagged:digits").origin.name == "tagged:digits"
