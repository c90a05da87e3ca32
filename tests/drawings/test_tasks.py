"""Every task makes a sheet that holds together, and a run that is found again."""

import re
from dataclasses import replace

import pytest
import torch
from PIL import Image

from notbugs import TrainConfig, build, load, train
from notbugs.drawings import (
    TASKS,
    Artist,
    CollisionTask,
    Counterfactual,
    Generation,
    Inpainting,
    Interpolation,
    Inversion,
    Manipulation,
    SuperResolution,
    Translation,
    Visualization,
)
from notbugs.errors import NotbugsError
from notbugs.jobs import Job, Subject
from notbugs.jobs.drawing import GRID, draw_job, grid, read_sheet
from notbugs.models.zoo import zoo_model
from notbugs.synthesis import Pace, fit_gaussians

SHORT = Pace(eps=3, steps=4, step_size=0.5)


@pytest.fixture(scope="module")
def data():
    return load("digits").first(6)


@pytest.fixture(scope="module")
def artist(data):
    learned = TrainConfig(epochs=2, lr=0.1, batch_size=64, precision="float32")
    model = train(build("convnet-8-8-8-8", classes=10, seed=0), load("digits"), learned, seed=0)
    return Artist(model=model, data=data, seed=0, gaussians=fit_gaussians(load("digits")), frames=3)


def short(task):
    return task(pace=SHORT) if "pace" in task.__dataclass_fields__ else task(**shortened(task))


def shortened(task):
    return {"steps": 4} if "steps" in task.__dataclass_fields__ else {}


@pytest.mark.parametrize("name", TASKS)
def test_a_sheet_holds_together(name, artist):
    sheet = short(TASKS[name]).draw(artist)
    columns = len(sheet.rows[0].images)
    for row in sheet.rows:
        assert row.images.shape == (columns, 3, 32, 32)
        assert row.images.min() >= 0
        assert row.images.max() <= 1
        assert len(row.captions) in (0, columns)
    assert all(images.shape[1:] == (3, 32, 32) for images in sheet.path)
    assert len(sheet.rows) > 1
    for found in sheet.estimates.values():
        low, high = found.interval
        assert low <= found.value <= high


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"interpolate", "collide"}))
def test_one_image_is_drawn_too(name, artist):
    task = short(TASKS[name])
    if "unit" in task.__dataclass_fields__:
        with pytest.raises(NotbugsError, match="two images or more"):
            task.draw(replace(artist, data=artist.data.first(1)))
        task = replace(task, unit=3)
    if name == "visualize":
        task = replace(task, units=(3,))
    if name == "manipulate":  # a dial is marked in deviations
        return
    sheet = task.draw(replace(artist, data=artist.data.first(1)))
    drawn = 10 if name == "generate" else 1
    assert all(found.n <= drawn for found in sheet.estimates.values())


def test_an_interval_keeps_to_what_a_measure_can_be(artist):
    """Of two images Student's is six deviations wide."""
    few = replace(artist, data=artist.data.first(2))
    found = short(TASKS["superres"]).draw(few).estimates | short(TASKS["translate"]).draw(few).estimates
    assert found["ssim"].interval[1] <= 1
    assert found["log_probability"].interval[1] <= 0
    assert found["distance"].interval[0] >= 0


def test_what_an_image_has_or_has_not_is_a_proportion(artist):
    found = Counterfactual(steps=4, within=(8.0,)).draw(artist).estimates
    for name in ("found", "turned_within_8"):
        low, high = found[name].interval
        assert 0 <= low <= found[name].value <= high <= 1
        assert low < high


def test_an_image_counts_once(artist, data):
    """However many pictures are made of it: they are not independent."""
    assert Interpolation(count=5, pace=SHORT).draw(artist).estimates["residual"].n == len(data) // 2
    assert Manipulation(pace=SHORT).draw(artist).estimates["distance"].n == len(data)


@pytest.mark.parametrize("name", TASKS)
def test_the_same_seed_draws_the_same(name, artist):
    first, second = (short(TASKS[name]).draw(artist) for _ in range(2))
    for one, other in zip(first.rows, second.rows, strict=True):
        assert torch.equal(one.images, other.images)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_what_it_is(name):
    task = TASKS[name]
    assert task.name == name
    assert task.about.endswith(".")
    assert task.__doc__


def test_the_way_ends_at_what_is_shown(artist):
    for name in ("invert", "generate", "translate", "inpaint", "superres", "visualize", "paint"):
        sheet = short(TASKS[name]).draw(artist)
        drawn = next(row for row in sheet.rows if row.title in ("Drawn", "Painted"))
        assert torch.equal(sheet.path[-1], drawn.images), name


def test_an_interpolation_ends_at_both_images(artist, data):
    sheet = Interpolation(count=5, pace=Pace(eps=1000, steps=200, step_size=1, halvings=5)).draw(artist)
    assert len(sheet.rows) == 3
    model = artist.model
    for pair, row in enumerate(sheet.rows):
        ends, originals = row.images[[0, -1]], data.images[[pair, pair + 3]]
        with torch.no_grad():
            gap = (model.embed(ends) - model.embed(originals)).norm(dim=1) / model.embed(originals).norm(
                dim=1
            )
        assert gap.max() < 0.05


def test_a_small_image_has_as_few_pixels_as_it_says(artist, data):
    sheet = SuperResolution(factor=4, pace=SHORT).draw(artist)
    small = sheet.rows[1].images
    assert torch.equal(small[..., ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3), small)
    assert sheet.rows[1].note == "8 x 8 pixels"


def test_a_larger_budget_goes_further_towards_the_class(artist, data):
    sheet = Counterfactual(steps=4, within=(0.5, 2.0, 8.0)).draw(artist)
    towards = [row for row in sheet.rows if row.title.startswith("Within")]
    assert [row.title for row in towards] == ["Within L2 0.5", "Within L2 2", "Within L2 8"]
    targets, sure = (data.labels + 1) % 10, []
    for row, eps in zip(towards, (0.5, 2, 8), strict=True):
        assert (row.images - data.images).flatten(1).norm(dim=1).max() <= eps + 1e-4
        with torch.no_grad():
            sure.append(artist.model(row.images).softmax(1).gather(1, targets[:, None]).mean())
    assert sure == sorted(sure)
    turned = [sheet.measured[f"turned_within_{eps}"] for eps in ("0.5", "2", "8")]
    assert turned[0].sum() <= turned[2].sum()
    where = next(row for row in sheet.rows if row.title == "Where")
    assert any(where.captions)
    assert all(re.fullmatch(r"\d+: \d+ %, \d+: -?\d+ %", caption) for caption in where.captions if caption)


def test_holes_lie_at_places_of_their_own(artist, data):
    sheet = Inpainting(pace=SHORT).draw(artist)
    holes = (sheet.rows[1].images != data.images).any(1)
    assert len({tuple(hole.nonzero()[0].tolist()) for hole in holes if hole.any()}) > 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Translation(to="tree"), "no class 'tree'; the classes are"),
        (lambda: Visualization(units=(8,)), "features 0 to 7, got 8"),
        (lambda: Manipulation(unit=-1), "features 0 to 7, got -1"),
        (lambda: SuperResolution(factor=1), "2 times or more"),
        (lambda: Counterfactual(eps=1e-6, steps=2), "no change within"),
        (lambda: Counterfactual(steps=4, within=(0.0,)), "a budget of within must be positive"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, says, artist):
    with pytest.raises(NotbugsError, match=says):
        make().draw(artist)


def test_a_standard_model_takes_images_for_others_and_a_robust_one_hardly():
    """With the same steps within the same budget, which nobody sees."""
    sketches = load("sketches").first(4)
    nearer = {}
    for name in ("cifar10-standard", "cifar10-robust"):
        sheet = CollisionTask(steps=30).draw(Artist(model=zoo_model(name), data=sketches, seed=0))
        start, found = (row.images for row in sheet.rows if row.title in ("Image", "Found"))
        assert (found - start).flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
        nearer[name] = sheet.measured["reduction"].mean()
    assert nearer["cifar10-standard"] > 0.6
    assert 0 < nearer["cifar10-robust"] < 0.2


def test_generation_needs_gaussians_and_a_pair_two_images(artist, data):
    with pytest.raises(NotbugsError, match="Gaussians"):
        Generation().draw(replace(artist, gaussians=None))
    alone = replace(artist, data=data.first(1))
    for task in (Interpolation(pace=SHORT), CollisionTask(steps=2)):
        with pytest.raises(NotbugsError, match="needs 2 images"):
            task.draw(alone)


def test_a_drawing_is_found_again(tmp_path, artist, data):
    subject = Subject(model=artist.model, named="small")
    run = draw_job(Job(root=tmp_path, seed=0), Inversion(pace=SHORT), subject, data, frames=3)
    written = {path.name: path.stat().st_mtime_ns for path in run.path.iterdir()}
    assert {"grid.png", "path.webp", "images.safetensors", "result.json"} <= set(written)
    again = draw_job(Job(root=tmp_path, seed=0), Inversion(pace=SHORT), subject, data, frames=3)
    assert {path.name: path.stat().st_mtime_ns for path in again.path.iterdir()} == written
    other = draw_job(Job(root=tmp_path, seed=1), Inversion(pace=SHORT), subject, data, frames=3)
    assert other.path != run.path
    rows = read_sheet(run)
    assert [said["title"] for said, _ in rows] == ["Image", "Start", "Drawn"]
    assert torch.equal(rows[0][1], data.images)
    with Image.open(run.path / GRID) as picture, Image.open(run.path / "path.webp") as moving:
        assert picture.size == (6 * (96 + 4) + 4, 3 * (96 + 4) + 4)
        assert moving.n_frames == 4


def test_a_grid_shows_every_pixel(data):
    shown = grid([data.images[:2], data.images[2:3]])
    assert shown.size == (2 * 100 + 4, 2 * 100 + 4)
    red, green, blue = shown.getpixel((4 + 3 * 5 + 1, 4 + 3 * 7 + 1))
    wanted = (data.images[0, :, 7, 5] * 255).round().int().tolist()
    assert [red, green, blue] == wanted
    assert shown.getpixel((154, 154)) == (255, 255, 255)  # no fourth picture


@pytest.mark.parametrize("classes", [2, 7])
def test_a_model_of_other_classes_is_refused_before_anything_is_written(classes, tmp_path, data):
    subject = Subject(model=build("convnet-8-8-8-8", classes=classes, seed=0), named="small")
    with pytest.raises(NotbugsError, match=f"small tells {classes} classes apart, digits has 10"):
        draw_job(Job(root=tmp_path, seed=0), Inversion(pace=SHORT), subject, data)
    assert not list(tmp_path.iterdir())
