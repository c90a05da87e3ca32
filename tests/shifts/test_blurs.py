"""Blurs beside direct sums; what they keep."""

import math

import pytest
import torch
from shifts.pictures import pictures
from torch.nn import functional

from notbugs.shifts import Corruption
from notbugs.shifts.blurs import blurred, glass_blur, smeared
from notbugs.shifts.contours import distances, edges
from notbugs.shifts.draws import draws_of
from notbugs.shifts.resizing import enlarged, gaussian_axis
from notbugs.shifts.severity import IMAGENET
from notbugs.shifts.zooming import zoom_blur


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.0, 6.0, 30.0])
@pytest.mark.parametrize("size", [(20, 31), (70, 130), (224, 40)], ids=str)
def test_gaussian_blur_is_a_sum_over_neighbours(sigma, size):
    images = pictures(2, 3, *size)
    reach = int(4 * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights = weights / weights.sum()
    planes = images.double().flatten(0, 1)[:, None]
    planes = functional.pad(planes, (reach,) * 4, mode="replicate")
    planes = functional.conv2d(
        functional.conv2d(planes, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1)
    )
    torch.testing.assert_close(blurred(images, sigma), planes.view_as(images).float(), atol=2e-5, rtol=0)


def test_the_mirror_image_beyond_the_border_shows_the_edge_twice():
    matrix = gaussian_axis(6, 1.0, border="reflect", reach=3.0).matrix
    line = torch.arange(6.0)
    mirrored = torch.cat([line[:4].flip(0), line, line[-4:].flip(0)])
    weights = torch.exp(-0.5 * torch.arange(-3.0, 4.0).square())
    direct = functional.conv1d(mirrored[None, None], (weights / weights.sum())[None, None])[0, 0, 1:-1]
    torch.testing.assert_close(matrix @ line, direct)


@pytest.mark.parametrize("table", ["cifar", "imagenet"])
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_out_of_focus_a_point_is_a_disk(table, severity):
    point = torch.zeros(1, 1, 61, 61)
    point[..., 30, 30] = 1
    disk = Corruption("defocus_blur", severity, table)(point)[0, 0]
    assert disk.sum() == pytest.approx(1, abs=0.02)  # the authors' widest disks have more light than 1
    torch.testing.assert_close(disk, disk.T, atol=1e-6, rtol=0)
    torch.testing.assert_close(disk, disk.flip(0), atol=1e-6, rtol=0)
    if table == "imagenet":
        radius = IMAGENET["defocus_blur"][severity - 1][0]
        assert disk[30, 30] == pytest.approx(1 / (math.pi * radius**2), rel=0.12)
        assert disk[30, 30 + int(radius) + 3 :].abs().max() < 1e-4


def test_grey_stays_grey():
    grey = torch.full((2, 3, 50, 70), 0.4)
    for name in ("gaussian_blur", "motion_blur", "zoom_blur"):
        torch.testing.assert_close(Corruption(name, 5, "imagenet")(grey), grey, atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize("size", [(32, 32), (90, 61)], ids=str)
def test_zoom_blur_is_the_mean_of_enlarged_images(size):
    images = pictures(2, 3, *size)
    total = images.clone()
    for number in range(12):
        total += enlarged(images, 1 + number * 0.02)
    zoomed = zoom_blur(images, (12, 0.02), draws_of(range(2), "zoom_blur", seed=0))
    torch.testing.assert_close(zoomed, total / 13, atol=2e-5, rtol=0)


def test_motion_leaves_a_trail_of_its_angle():
    point = torch.zeros(3, 1, 41, 41)
    point[..., 20, 20] = 1
    trails = smeared(point, 6, 3, angles=torch.tensor([0.0, 45.0, -90.0]))[:, 0]
    torch.testing.assert_close(trails.sum((1, 2)), torch.ones(3))
    assert set(trails[0].nonzero()[:, 0].tolist()) == {20}
    assert all(row == column for row, column in trails[1].nonzero().tolist())
    assert set(trails[2].nonzero()[:, 1].tolist()) == {20}
    weights = torch.exp(-0.5 * (torch.arange(13.0) / 3).square())
    torch.testing.assert_close(trails[0, 20, 8:21].flip(0), weights / weights.sum())


def test_behind_glass_pixels_are_taken_one_after_the_other():
    images = pictures(2, 3, 20, 24)
    reach, seed = 3, 5
    shown = glass_blur(images, (1e-3, reach, 2), draws_of(range(2), "glass_blur", seed=seed))
    draws = draws_of(range(2), "glass_blur", seed=seed)
    mixed = images.mul(255).floor().div(255).clone()
    for _ in range(2):
        steps = draws.integers(0, (2 * reach) ** 2, 20 - 2 * reach, 24 - 2 * reach)
        for image, chosen in zip(mixed, steps, strict=True):
            for y in range(20 - reach, reach, -1):
                for x in range(24 - reach, reach, -1):
                    down, across = divmod(int(chosen[y - reach - 1, x - reach - 1]), 2 * reach)
                    image[:, y, x] = image[:, y + down - reach, x + across - reach].clone()
    torch.testing.assert_close(shown, mixed, atol=1e-6, rtol=0)


def test_distances_to_marks():
    marks = torch.zeros(2, 37, 50, dtype=torch.uint8)
    marks[0, 5, 7] = marks[0, 30, 44] = marks[1, 0, 0] = 1
    for marked, found in zip(marks, distances(marks, limit=20), strict=True):
        y, x = torch.meshgrid(torch.arange(37), torch.arange(50), indexing="ij")
        to = torch.stack(
            [torch.hypot((y - a).float(), (x - b).float()) for a, b in marked.nonzero().tolist()]
        )
        torch.testing.assert_close(found, to.amin(0).clamp(max=20))


def test_edges_surround_a_square_and_noise_has_none():
    image = torch.zeros(1, 30, 30)
    image[:, 10:20, 10:20] = 200
    found = edges(image, low=50, high=150)[0]
    assert found[8:22, 8:22].sum() == found.sum() > 30
    assert not found[12:18, 12:18].any()
    assert not edges(torch.full((1, 30, 30), 99.0), low=50, high=150).any()
