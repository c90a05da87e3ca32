"""Distances to an ellipsoid against brute force that shares nothing with the formulas."""

import math

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory import box_is_far, l1_to_ellipsoid, l2_to_ellipsoid, linf_to_ellipsoid, quadratic_logits

DISTANCES = {1: l1_to_ellipsoid, 2: l2_to_ellipsoid, math.inf: linf_to_ellipsoid}

every_norm = pytest.mark.parametrize("order", DISTANCES, ids=["l1", "l2", "linf"])


@pytest.fixture
def problem():
    """Images of three values on both sides of an ellipsoid, with ties and zeros among the offsets."""
    draw = generator(0, "quadratic")
    center = torch.tensor([0.5, 0.4, 0.6], dtype=torch.float64).view(1, 1, 3)
    curvatures = torch.tensor([1.0, 2.5, 0.6], dtype=torch.float64).view(1, 1, 3)
    images = torch.rand(40, 1, 1, 3, generator=draw, dtype=torch.float64)
    images[0] = center  # the middle: no value prefers a side
    images[1] = center + torch.tensor([0.1, 0.0, 0.0])  # nothing along the axis of the largest curvature
    images[2] = center + 0.4  # three equal offsets
    images[3] = center + torch.tensor([0.45, 0.0, 0.0])
    return images, center, curvatures, 0.1


def on_the_surface(center, curvatures, level, count=300):
    """Points all over the ellipsoid: (count^2, 3)."""
    turn = torch.linspace(0, 2 * math.pi, count, dtype=torch.float64)
    tilt = torch.linspace(0, math.pi, count, dtype=torch.float64)
    turn, tilt = torch.meshgrid(turn, tilt, indexing="ij")
    unit = torch.stack([turn.cos() * tilt.sin(), turn.sin() * tilt.sin(), tilt.cos()], dim=2).view(-1, 3)
    return center.flatten() + unit * (level / curvatures.flatten()).sqrt()


@every_norm
def test_it_is_the_distance_of_the_nearest_of_many_points_on_the_surface(order, problem):
    images, center, curvatures, level = problem
    points = on_the_surface(center, curvatures, level)
    brute = torch.stack(
        [torch.linalg.vector_norm(points - image.flatten(), ord=order, dim=1).min() for image in images]
    )
    inside = quadratic_logits(images, center, curvatures, level).argmax(1) == 0
    assert 5 < inside.sum() < 35
    found = DISTANCES[order](images, center, curvatures, level)
    assert (found <= brute + 1e-12).all()  # a point of the surface is never nearer than the nearest
    torch.testing.assert_close(found, brute, rtol=0, atol=6e-3)  # the mesh is about 1e-2 wide


@every_norm
@pytest.mark.parametrize("dimension", [1, 4, 300])
def test_no_change_of_a_smaller_size_crosses(order, dimension):
    """In many dimensions: changes of a shade less than that size, in hundreds of directions, all stay on their side.
    That one of the size itself crosses is what the attacks find (tests/attacks/test_fmn.py).
    """
    draw = generator(1, dimension)
    center = torch.full((1, 1, dimension), 0.5, dtype=torch.float64)
    curvatures = 0.5 + torch.rand(1, 1, dimension, generator=draw, dtype=torch.float64)
    images = torch.rand(20, 1, 1, dimension, generator=draw, dtype=torch.float64)
    level = float((curvatures * (images - center).square()).flatten(1).sum(1).median())
    found = DISTANCES[order](images, center, curvatures, level)
    inside = quadratic_logits(images, center, curvatures, level)[:, 0] > 0
    changes = torch.randn(20, 300, dimension, generator=draw, dtype=torch.float64)
    if order == 1:  # its corners matter
        changes[:, ::2] *= torch.rand(changes[:, ::2].shape, generator=draw) < 2 / dimension
    norms = torch.linalg.vector_norm(changes, ord=order, dim=2, keepdim=True).clamp_min(1e-9)
    shown = images.flatten(1)[:, None] + changes / norms * found[:, None, None] * (1 - 1e-9)
    crossed = (curvatures.flatten() * (shown - center.flatten()).square()).sum(2) < level
    assert torch.equal(crossed.any(1), inside)
    assert torch.equal(crossed.all(1), inside)


@every_norm
def test_a_sphere_has_the_distances_of_school(order):
    center, ones = torch.full((1, 2, 2), 0.5, dtype=torch.float64), torch.ones(1, 2, 2, dtype=torch.float64)
    images = torch.full((2, 1, 2, 2), 0.5, dtype=torch.float64)
    images[0, 0, 0, 0] += 0.1  # inside a sphere of radius 0.2
    images[1, 0, 0, 0] += 0.3  # outside
    inside = {1: 0.1, 2: 0.1, math.inf: (math.sqrt(0.1**2 - 4 * (0.1**2 - 0.2**2)) - 0.1) / 4}[order]
    found = DISTANCES[order](images, center, ones, 0.2**2)
    torch.testing.assert_close(found, torch.tensor([inside, 0.1], dtype=torch.float64))


@every_norm
def test_an_image_on_the_surface_is_at_no_distance(order):
    images = torch.tensor([0.75, 0.5], dtype=torch.float64).view(1, 1, 1, 2)
    center, curvatures = torch.full((1, 1, 2), 0.5), torch.ones(1, 1, 2)
    assert DISTANCES[order](images, center, curvatures, 0.25**2).item() == pytest.approx(0, abs=1e-9)


@every_norm
def test_it_comes_in_the_dtype_of_the_images_and_for_none_of_them(order, problem):
    images, center, curvatures, level = problem
    narrow = DISTANCES[order](images.float(), center.float(), curvatures.float(), level)
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(
        narrow.double(), DISTANCES[order](images, center, curvatures, level), atol=1e-5, rtol=1e-4
    )
    assert DISTANCES[order](images[:0], center, curvatures, level).shape == (0,)


@every_norm
@pytest.mark.parametrize("level, curvature", [(0.0, 1.0), (float("nan"), 1.0), (1.0, 0.0), (1.0, -1.0)])
def test_no_ellipsoid_is_refused(order, level, curvature):
    images = torch.full((1, 1, 1, 2), 0.5)
    with pytest.raises(NotbugsError, match="positive level and positive curvatures"):
        DISTANCES[order](images, images[0], torch.full((1, 1, 2), curvature), level)


def test_the_box_is_far_where_no_value_can_reach_it():
    images = torch.tensor([[0.5, 0.3], [0.5, 0.1], [0.95, 0.5]]).view(3, 1, 1, 2)
    assert box_is_far(images, torch.tensor([0.25, 0.25, 0.25])).tolist() == [True, False, False]
