"""Motions against exact ones, the grid as a threat, and the attack against trying every point by hand."""

from dataclasses import replace

import pytest
import torch

from notbugs.attacks.spatial import Spatial, SpatialGrid, moved
from notbugs.audits.adversarial import audit
from notbugs.data.planted import planted
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L2

SMALL = Spatial(20, 1, rotations=3, translations=3)


def motion(degrees=0.0, right=0.0, down=0.0, count=10):
    return torch.tensor([[degrees, right, down]], dtype=torch.float32).expand(count, 3)


# Motions


def test_no_motion_is_the_image_itself(images):
    assert torch.equal(moved(images, motion()), images)


@pytest.mark.parametrize("right, down", [(1, 0), (0, 2), (-2, 1)])
def test_whole_pixels_are_a_shift(right, down, images):
    expected = torch.zeros_like(images).roll(0)
    rolled = images.roll((down, right), (2, 3))
    rows = slice(max(down, 0), 6 + min(down, 0))
    columns = slice(max(right, 0), 6 + min(right, 0))
    expected[:, :, rows, columns] = rolled[:, :, rows, columns]
    torch.testing.assert_close(moved(images, motion(0, right, down)), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("turns", [1, 2, -1])
def test_quarter_turns_are_exact_and_counter_clockwise(turns, images):
    expected = images.rot90(turns, (2, 3))
    torch.testing.assert_close(moved(images, motion(90.0 * turns)), expected, atol=1e-5, rtol=0)


def test_half_a_pixel_is_the_mean_of_two(images):
    shifted = moved(images, motion(right=0.5))
    torch.testing.assert_close(
        shifted[:, :, :, 1:], (images[:, :, :, 1:] + images[:, :, :, :-1]) / 2, atol=1e-5, rtol=0
    )


def test_an_image_is_first_turned_and_then_moved(images):
    together = moved(images, motion(90, 1, 0))
    apart = moved(moved(images, motion(90)), motion(right=1))
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=0)


def test_a_picture_that_is_no_square_keeps_its_shape():
    """A wide image turned about by 180 degrees, and one whose centre turned by 90 degrees stays in the middle."""
    wide = torch.rand(1, 1, 4, 8, generator=generator(0))
    torch.testing.assert_close(moved(wide, motion(180, count=1)), wide.flip(2, 3), atol=1e-5, rtol=0)
    turned = moved(wide, motion(90, count=1))
    torch.testing.assert_close(turned[:, :, :, 2:6], wide[:, :, :, 2:6].rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_what_comes_in_is_black_or_mirrored(images):
    assert (moved(images, motion(right=2))[:, :, :, :2] == 0).all()
    mirrored = moved(images, motion(right=2), padding="reflection")
    torch.testing.assert_close(mirrored[:, :, :, :2], images[:, :, :, :2].flip(3), atol=1e-5, rtol=0)


def test_each_image_has_its_own_motion(images):
    motions = torch.rand(10, 3, generator=generator(1)) * 10
    together = moved(images, motions)
    for row in range(10):
        alone = moved(images[row : row + 1], motions[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], atol=1e-6, rtol=0)


# The threat


def test_the_grid_begins_with_the_image_and_ends_far_away():
    motions = Spatial(30, 3).motions()
    assert motions.shape == (31 * 5 * 5, 3)
    assert len(motions.unique(dim=0)) == len(motions)
    assert motions[0].tolist() == [0, 0, 0]
    assert motions[-1].abs().tolist() == [30, 3, 3]
    assert set(motions[:, 1].tolist()) == {-3, -1.5, 0, 1.5, 3}
    assert motions[:, 0].unique().diff().unique().tolist() == [2]
    assert len(SMALL.scaled(0).motions()) == 1


def test_every_member_is_recognised_and_has_its_share_of_the_range(images):
    motions = SMALL.motions()
    for number in (0, 1, 5, 13, len(motions) - 1):
        member = moved(images, motions[number].expand(10, 3))
        share = float((motions[number].abs() / torch.tensor([20, 1, 1])).max())
        assert SMALL.size(member, images).tolist() == [share] * 10
        assert SMALL.contains(member, images).all()


def test_nothing_else_belongs_however_near(images):
    for other in (
        images.roll(1, 0),
        (images + 1e-3).clamp(0, 1),
        moved(images, motion(10.0)),  # between two points of the grid
        moved(images, motion(20.0), padding="reflection"),
        torch.full_like(images, torch.nan),
    ):
        assert not SMALL.contains(other, images).any()
        assert SMALL.size(other, images).isinf().all()


def test_the_projection_is_the_nearest_member(images):
    members = torch.stack([moved(images, point.expand(10, 3)) for point in SMALL.motions()])
    noisy = moved(images, motion(20, 0, 1)) + 0.01 * torch.randn(images.shape, generator=generator(2))
    projected = SMALL.project(noisy, images)
    nearest = (members - noisy).flatten(2).norm(dim=2).argmin(0)
    assert torch.equal(projected, members[nearest, torch.arange(10)])
    assert torch.equal(SMALL.project(projected, images), projected)


def test_a_random_start_is_a_member(images):
    drawn = SMALL.random_start(images, generator(0))
    assert SMALL.contains(drawn, images).all()
    assert torch.equal(drawn, SMALL.random_start(images, generator(0)))
    assert not torch.equal(drawn, SMALL.random_start(images, generator(1)))


def test_it_has_no_direction(images):
    with pytest.raises(NotbugsError, match="has no directions; search it with SpatialGrid"):
        SMALL.ascent_direction(images)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rotation": -1}, "rotation is in degrees from 0 to 180"),
        ({"rotation": float("nan")}, "rotation is in degrees from 0 to 180"),
        ({"translation": float("inf")}, "translation in pixels >= 0"),
        ({"rotations": 4}, "must be odd"),
        ({"translations": 0}, "must be odd"),
        ({"padding": "mirror"}, "padding is one of zeros, reflection, got 'mirror'"),
    ],
)
def test_wrong_grids_are_refused(options, message):
    with pytest.raises(NotbugsError, match=message):
        Spatial(**{"rotation": 30, "translation": 3, **options})


def test_its_names():
    assert str(Spatial(30, 3)) == "spatial:30:3:31x5x5"
    assert str(SpatialGrid(threat=Spatial(7.5, 0, padding="reflection"))) == (
        "grid:spatial-reflection:7.5:0:31x5x5"
    )
    assert Spatial(30, 3) == Spatial(30, 3)
    with pytest.raises(NotbugsError, match=r"searches a Spatial threat, got l2:0\.5"):
        SpatialGrid(threat=L2(0.5))


# The attack


def by_hand(model, images, labels, threat):
    """Margins of every image at every point of the grid: (points, images)."""
    shown = [
        moved(images, point.expand(len(images), 3), padding=threat.padding) for point in threat.motions()
    ]
    logits = torch.stack([model(member).detach() for member in shown])
    own = logits.gather(2, labels.expand(len(shown), -1)[:, :, None])[:, :, 0]
    others = logits.scatter(2, labels.expand(len(shown), -1)[:, :, None], -torch.inf).amax(2)
    return others - own


@pytest.mark.parametrize("padding", ["zeros", "reflection"])
@pytest.mark.parametrize("count", [1, 10])
def test_it_finds_a_success_exactly_where_there_is_one_and_else_the_worst(padding, count, curved, images):
    threat = Spatial(8, 0.25, rotations=5, translations=3, padding=padding)
    images = images[:count].double()
    model = curved.double()
    with torch.no_grad():
        labels = model(images).argmax(1)
    margins = by_hand(model, images, labels, threat).amax(0)
    found = SpatialGrid(threat=threat)(model, images, labels, generator=generator(0))
    reached = by_hand(model, found, labels, threat.scaled(0))[0]
    assert threat.contains(found, images).all()
    assert torch.equal(reached > 0, margins > 0)
    stands = margins <= 0
    torch.testing.assert_close(reached[stands], margins[stands])
    if count == 10:
        assert 0 < stands.sum() < 10


def test_few_images_are_shown_at_many_points_at_once(curved, images):
    counts = []

    def model(shown):
        counts.append(len(shown))
        return curved(shown) * 0 + torch.tensor([1.0, 0, 0, 0])

    SpatialGrid(threat=Spatial(30, 3))(model, images, torch.zeros(10).long(), generator=generator(0))
    assert sum(counts) == 775 * 10
    assert max(counts) <= 128
    assert len(counts) < 70


def test_an_audit_believes_it():
    data = planted("test", count=12)
    threat = Spatial(0, 4, translations=3)

    def model(shown):  # class 1 where the left edge is dark, as it is after a move to the right
        dark = 0.01 - shown[:, :, :, :3].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(dark), dark], dim=1)

    right = replace(data, labels=torch.zeros(12).long(), class_names=("light", "dark"))
    found = audit(model, right, threat=threat, attacks=[SpatialGrid(threat=threat)])
    assert found.clean_accuracy == 1
    assert found.robust_accuracy == 0
    elsewhere = audit(model, right, threat=threat.scaled(0.5), attacks=[SpatialGrid(threat=threat)])
    assert elsewhere.robust_accuracy == 1  # moves of four pixels are not in a threat of two
