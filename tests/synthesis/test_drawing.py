"""Drawings against what must come out: on linear representations every one has a closed form."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from notbugs import load
from notbugs.attacks import LabelObjective, input_gradients
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.synthesis import (
    Ascent,
    Marked,
    OverFrequencies,
    Pace,
    feature_table,
    filled,
    fit_gaussians,
    generate,
    inpaint,
    interpolate,
    invert,
    morph,
    paint,
    shrunk,
    super_resolve,
    turn,
    visualize,
)
from notbugs.threats import L2

FEATURES, SIDE = 6, 8


class LinearModel(nn.Module):
    """Features and logits that are linear in the image; orthonormal features, the first three of them logits."""

    def __init__(self) -> None:
        super().__init__()
        drawn = torch.randn(FEATURES, 3 * SIDE * SIDE, generator=generator(0))
        self.register_buffer("rows", torch.linalg.qr(drawn.T)[0].T.contiguous())

    def embed(self, images):
        return (images - 0.5).flatten(1) @ self.rows.T

    def forward(self, images):
        return self.embed(images)[:, :3]


@pytest.fixture
def model():
    return LinearModel().eval()


@pytest.fixture
def images():
    """Near grey, so that no pixel meets black or white."""
    return 0.5 + 0.05 * torch.randn(4, 3, SIDE, SIDE, generator=generator(1))


@pytest.fixture
def marks():
    marked = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    marked[:, 2:5, 3:6] = True
    return marked


def pace(eps=math.inf, steps=200, step_size=0.1, halvings=6):
    return Pace(eps=eps, steps=steps, step_size=step_size, halvings=halvings, side=SIDE)


# Representations


@pytest.mark.parametrize("over", ["pixels", "frequencies"])
def test_an_inversion_has_the_images_features(over, model, images):
    drawn = invert(model, images, generator=generator(2), over=over, pace=pace(steps=600)).draw(frames=3)
    assert torch.allclose(model.embed(drawn.images), model.embed(images), atol=0.02)
    assert bool((drawn.after > drawn.before).all())


def test_over_pixels_nothing_changes_that_the_features_do_not_see(model, images):
    drawn = invert(model, images, generator=generator(2), pace=pace()).draw()
    change = (drawn.images - drawn.start).flatten(1)
    unseen = change - change @ model.rows.T @ model.rows
    assert unseen.norm(dim=1).max() < 1e-4


def test_steps_over_frequencies_are_those_of_an_ascent_over_scaled_coefficients(images):
    weights = torch.randn(1, 3, SIDE, SIDE, generator=generator(3))
    rows, columns = torch.fft.fftfreq(SIDE, 1 / SIDE), torch.fft.fftfreq(SIDE, 1 / SIDE)
    scale = 1 / torch.hypot(rows[:, None], columns[None, :]).clamp_min(1)

    def image_of(coordinates):  # white noise coordinates -> an image with a photograph's spectrum
        return torch.fft.ifft2(torch.fft.fft2(coordinates) * scale).real

    coordinates = torch.zeros(1, 3, SIDE, SIDE, requires_grad=True)
    step = input_gradients((image_of(coordinates) * weights).flatten(1).sum(1), coordinates)
    moved = image_of(step).detach()
    found = OverFrequencies(L2(1.0)).ascent_direction(weights)
    assert torch.allclose(found, moved / moved.norm(), atol=1e-6)


def test_interpolates_lie_evenly_between_two_representations(model, images):
    drawn = interpolate(model, images[:2], images[2:], count=5, pace=pace()).draw()
    first, second = model.embed(images[:2]), model.embed(images[2:])
    wanted = torch.stack([torch.lerp(first, second, share) for share in torch.linspace(0, 1, 5)], dim=1)
    assert torch.allclose(model.embed(drawn.images).view(2, 5, -1), wanted, atol=1e-2)


# Features


def test_a_feature_is_climbed_along_its_own_row(model, images):
    units = torch.tensor([0, 1, 4, 5])
    drawn = visualize(model, units, images, pace=pace(eps=0.4, steps=3, step_size=0.1, halvings=0)).draw()
    change = (drawn.images - images).flatten(1)
    assert torch.allclose(change, 0.3 * model.rows[units], atol=1e-6)
    assert torch.allclose(drawn.sizes, torch.full((4,), 0.3), atol=1e-5)


def test_a_dial_stops_where_it_was_turned_to(model, images):
    units, values = torch.tensor([0, 0, 3, 5]), torch.tensor([0.5, -0.2, 0.3, 0.0])
    drawn = turn(model, images, units, values, pace=pace()).draw()
    found = model.embed(drawn.images)
    assert torch.allclose(found.gather(1, units[:, None])[:, 0], values, atol=5e-3)
    others = torch.ones(4, FEATURES, dtype=torch.bool).scatter(1, units[:, None], False)
    assert torch.allclose(found[others], model.embed(images)[others], atol=1e-5)


def test_paint_stays_on_the_marks(model, images, marks):
    drawn = paint(model, images, marks, torch.tensor([1, 1, 2, 2]), pace=pace(eps=0.5, halvings=0)).draw()
    outside = ~marks.expand(4, -1, -1)[:, None].expand_as(images)
    assert torch.equal(drawn.images[outside], images[outside])
    row = Marked(marks).keep(model.rows[[1, 1, 2, 2]].view_as(images)).flatten(1)
    assert torch.allclose(
        (drawn.images - images).flatten(1), 0.5 * row / row.norm(dim=1, keepdim=True), atol=1e-4
    )


@pytest.mark.parametrize(
    "units", [torch.tensor([0]), torch.tensor([0, 1, 2, FEATURES]), torch.tensor([-1] * 4)]
)
def test_a_feature_that_there_is_not_is_refused(units, model, images):
    with pytest.raises(NotbugsError, match=r"unit each|features 0 to"):
        visualize(model, units, images, pace=pace())


def test_the_table_finds_the_images_with_most_of_a_feature(model, images):
    data = LabeledImages(images=images, labels=torch.zeros(4).long(), class_names=("a", "b"))
    table = feature_table(model, data, batch_size=3)
    values = model.embed(images)
    assert torch.allclose(table.values, values, atol=1e-6)
    assert (
        table.highest(torch.tensor([2]), 2)[0].tolist() == values[:, 2].argsort(descending=True)[:2].tolist()
    )
    assert table.most_varied(1).item() == values.std(0).argmax().item()


# Classes


def test_a_morph_ends_in_its_class(model, images):
    labels = torch.tensor([0, 1, 2, 0])
    drawn = morph(model, images, labels, pace=pace(eps=1.0, steps=20, halvings=0)).draw(frames=4)
    assert torch.equal(model(drawn.images).argmax(1), labels)
    assert drawn.sizes.max() <= 1 + 1e-5
    assert len(drawn.path) == 5
    assert torch.equal(drawn.path[0], images)
    assert torch.equal(drawn.path[-1], drawn.images)
    objective = LabelObjective(model, labels, targeted=True)
    assert torch.equal(drawn.after, objective(drawn.images))
    assert bool((drawn.after > drawn.before).all())


def test_looking_on_the_way_changes_nothing(model, images):
    labels, given = torch.tensor([0, 1, 2, 0]), pace(eps=1.0, steps=24, halvings=2)
    ends = [morph(model, images, labels, pace=given).draw(frames=frames).images for frames in (0, 1, 5, 24)]
    assert all(torch.equal(end, ends[0]) for end in ends)


def test_seeds_have_their_classes_mean_and_spread():
    base = torch.rand(2, 3, 4, 4, generator=generator(4)) * 0.2 + 0.4
    noise = 0.03 * torch.randn(600, 3, 4, 4, generator=generator(5))
    labels = torch.arange(600) % 2
    data = LabeledImages(images=base[labels] + noise, labels=labels, class_names=("a", "b"))
    seeds = fit_gaussians(data, side=4)
    drawn = seeds.draw(torch.ones(4000).long(), generator=generator(6))
    assert torch.allclose(drawn.mean(0), base[1], atol=0.006)
    assert torch.allclose(drawn.flatten(1).std(0), torch.full((48,), 0.03), atol=0.005)
    assert torch.equal(drawn, seeds.draw(torch.ones(4000).long(), generator=generator(6)))


def test_few_images_still_have_a_gaussian_and_one_has_none():
    digits = load("digits").first(60)
    assert fit_gaussians(digits).draw(torch.tensor([7]), generator=generator(0)).isfinite().all()
    alone = LabeledImages(images=digits.images[:3], labels=torch.tensor([0, 0, 1]), class_names=("a", "b"))
    with pytest.raises(NotbugsError, match="class b has 1 images"):
        fit_gaussians(alone)


def test_what_is_generated_is_of_its_class(model):
    data = LabeledImages(
        images=0.5 + 0.02 * torch.randn(90, 3, SIDE, SIDE, generator=generator(7)),
        labels=torch.arange(90) % 3,
        class_names=("a", "b", "c"),
    )
    labels = torch.tensor([2, 1, 0])
    drawn = generate(
        model, labels, fit_gaussians(data), generator=generator(8), pace=pace(steps=40, halvings=0)
    ).draw()
    assert torch.equal(model(drawn.images).argmax(1), labels)


# What is missing


def test_a_hole_is_filled_and_nothing_else_touched(model, images, marks):
    drawn = inpaint(model, images, marks, pace=pace(eps=1.0, steps=20, halvings=0)).draw()
    outside = ~marks.expand(4, -1, -1)[:, None].expand_as(images)
    assert torch.equal(drawn.images[outside], images[outside])
    start = filled(images, marks)
    assert torch.equal(drawn.start, start)
    assert torch.equal(filled(images + 0.3 * marks[:, None], marks), start)  # what was there is not looked at
    assert bool((drawn.after > drawn.before).all())


def test_a_filling_goes_on_as_its_surroundings():
    down = torch.linspace(0, 1, 32).view(1, 1, -1, 1).expand(2, 3, -1, 32)
    holes = torch.zeros(2, 32, 32, dtype=torch.bool)
    holes[0, 10:20, 8:18] = True
    holes[1, :7, 20:] = True
    shown = filled(torch.where(holes[:, None], 7.0, down), holes)
    outside = ~holes[:, None].expand_as(down)
    assert torch.equal(shown[outside], down[outside])
    assert (shown - down).abs()[0].max() < 0.06  # a slope, to a sixteenth; the mean colour is 0.35 away
    assert (shown - down).abs()[1].max() < 0.25  # at the edge there is nothing to go by on one side
    grey = filled(down, torch.ones_like(holes))
    assert torch.equal(grey, torch.full_like(down, 0.5))


def test_sharpening_begins_with_the_enlarged_image(model, images):
    small = shrunk(images, 2)
    assert small.shape == (4, 3, SIDE // 2, SIDE // 2)
    drawn = super_resolve(model, small, (SIDE, SIDE), pace=pace(eps=0.3, steps=5, halvings=0)).draw()
    assert drawn.images.shape == images.shape
    assert torch.allclose(shrunk(drawn.start, 2), small, atol=0.02)
    assert drawn.sizes.max() <= 0.3 + 1e-5


# The pace


@pytest.mark.parametrize("frames", [0, 1, 3, 7, 40])
@pytest.mark.parametrize("halvings", [0, 1, 5])
def test_the_legs_of_a_way_are_the_way(frames, halvings):
    given = Pace(eps=1, steps=40, step_size=0.8, halvings=halvings)
    legs = given.legs(frames)
    assert sum(steps for steps, _ in legs) == 40
    assert [size for _, size in legs] == sorted((size for _, size in legs), reverse=True)
    assert {size for _, size in legs} == {0.8 / 2**power for power in range(halvings + 1)}
    each = [size for steps, size in legs for _ in range(steps)]
    assert each == [size for steps, size in given.legs(0) for _ in range(steps)]


def test_a_pace_for_larger_images_changes_each_value_as_much():
    small = Pace(eps=2, steps=10, step_size=0.5, side=32)
    large = small.scaled(64, 64)
    assert (large.eps, large.step_size, large.side) == (4.0, 1.0, 64)
    assert large.scaled(32, 32) == small


@pytest.mark.parametrize(
    "wrong", [{"eps": 0}, {"steps": 0}, {"step_size": -1}, {"halvings": 10}, {"halvings": -1}]
)
def test_a_pace_that_goes_nowhere_is_refused(wrong):
    with pytest.raises(NotbugsError):
        replace(Pace(eps=2, steps=10, step_size=0.5), **wrong)


def test_progress_comes_to_its_end():
    seen = []
    ascent = Ascent.of(
        nn.Identity(),
        lambda images: images.mean((1, 2, 3)),
        torch.full((1, 1, 2, 2), 0.5),
        pace(steps=10, halvings=0),
    )
    ascent.draw(frames=5, progress=lambda done, total, note: seen.append((done, total)))
    assert seen == [(2, 10), (4, 10), (6, 10), (8, 10), (10, 10)]


def test_a_way_can_be_watched_and_left(model, images):
    labels = torch.tensor([0, 1, 2, 0])
    ascent = morph(model, images, labels, pace=pace(eps=1.0, steps=20, halvings=0))
    looks = list(ascent.looks(4))
    drawn = ascent.draw(frames=4)
    assert all(torch.equal(look, kept) for look, kept in zip(looks, drawn.path, strict=True))
    trained = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3)).train()
    watched = morph(trained, images, labels, pace=pace(eps=1.0, steps=20, halvings=0)).looks(4)
    next(watched), next(watched)
    watched.close()
    assert trained.training
    assert all(weights.requires_grad for weights in trained.parameters())
