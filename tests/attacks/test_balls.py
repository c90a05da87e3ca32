"""Balls of one radius per image, against slow independent oracles."""

import math

import pytest
import torch

from notbugs.attacks.balls import into_balls, order_of, unlimited
from notbugs.attacks.spatial import Spatial
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L1, L2, Linf


@pytest.fixture
def cloud():
    """Points around the box, centres in it with many at its ends, and radii of all sizes."""
    draw = generator(0, "balls")
    centers = torch.rand(50, 1, 2, 4, generator=draw, dtype=torch.float64)
    centers = torch.where(torch.rand(centers.shape, generator=draw) < 0.3, centers.round(), centers)
    points = centers + torch.randn(centers.shape, generator=draw, dtype=torch.float64)
    radii = torch.rand(50, generator=draw, dtype=torch.float64) * 3
    radii[0], radii[1] = 0, math.inf
    return points, centers, radii


def nearest_by_bisection(point, center, radius, norm):
    """The nearest point (in L2) of ball and box, one point at a time, by halving the price of a unit of size."""

    def at(price):
        change = point - center
        if isinstance(norm, L1):
            change = change.sign() * (change.abs() - price).clamp_min(0)
        return (center + change).clamp(0, 1)

    if isinstance(norm, Linf):
        return point.clamp(center - radius, center + radius).clamp(0, 1)
    low, high = 0.0, 10.0
    if (at(0.0) - center).abs().sum() <= radius:
        return at(0.0)
    for _ in range(200):
        middle = (low + high) / 2
        spends = (at(middle) - center).abs().sum() > radius
        low, high = (middle, high) if spends else (low, middle)
    return at(high)


@pytest.mark.parametrize("norm", [L1(1), Linf(1)], ids=str)
def test_it_is_the_nearest_point_of_ball_and_box(norm, cloud):
    points, centers, radii = cloud
    found = into_balls(points, centers, radii, norm)
    for row in range(len(points)):
        expected = nearest_by_bisection(points[row], centers[row], radii[row], norm)
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm", [L1(1), L2(1), Linf(1)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_inside_and_leaves_what_is_inside_alone(norm, dtype, cloud):
    points, centers, radii = (part.to(dtype) for part in cloud)
    found = into_balls(points, centers, radii, norm)
    assert found.min() >= 0
    assert found.max() <= 1
    assert (norm.size(found, centers) <= radii * (1 + 1e-5) + 1e-6).all()
    torch.testing.assert_close(into_balls(found, centers, radii, norm), found, atol=1e-5, rtol=0)
    assert torch.equal(found[0], centers[0])
    torch.testing.assert_close(found[1], points[1].clamp(0, 1))


def test_the_order_is_that_of_the_norm_and_a_grid_has_none():
    assert [order_of(threat) for threat in (L1(3), L2(0.5), Linf(0.1))] == [1, 2, math.inf]
    assert unlimited(L1(3)) == L1(math.inf)
    for asked in (order_of, unlimited):
        with pytest.raises(NotbugsError, match="no norm ball"):
            asked(Spatial(30, 3))
