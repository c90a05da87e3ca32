"""The shortest way to a hyperplane inside the box: by its optimality conditions, and by closed forms."""

import math

import pytest
import torch

from notbugs.attacks.hyperplane import shortest_change
from notbugs.errors import NotbugsError
from notbugs.seeds import generator

every_order = pytest.mark.parametrize("order", [1, 2, math.inf])


def problem(reach, dtype=torch.float64):
    """Images (many pixels on a wall), weights (a fifth of them 0), gaps: a share of what the box spans."""
    draw = generator(0, "plane")
    images = (torch.rand(40, 3, 5, 7, generator=draw, dtype=dtype) * 3 - 1).clamp(0, 1)
    weights = torch.randn(images.shape, generator=draw, dtype=dtype)
    weights[torch.rand(images.shape, generator=draw) < 0.2] = 0
    side = 2 * torch.randint(2, (40,), generator=draw).to(dtype) - 1
    way = -weights.sign() * side[:, None, None, None]
    span = (weights.abs() * room(images, way)).sum((1, 2, 3))
    return images, weights, side * span * reach


def room(images, way):
    return torch.where(way > 0, 1 - images, images)


def value(weights, change, gaps):
    return (weights * change).sum((1, 2, 3)) + gaps


@every_order
@pytest.mark.parametrize("reach", [0.01, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_on_the_plane_in_the_box_and_no_shorter_change_is(order, reach, dtype):
    """The KKT conditions: moved pixels (`moved`) against their walls (`room`) at one level."""
    images, weights, gaps = problem(reach, dtype)
    change = shortest_change(images, weights, gaps, order)
    exact = 1e-5 if dtype == torch.float32 else 1e-9
    assert (value(weights, change, gaps).abs() <= exact * gaps.abs() * 10).all()
    assert ((images + change).clamp(0, 1) - images - change).abs().max() <= 1e-6
    assert (change * weights * gaps[:, None, None, None] <= 0).all()  # every pixel closes the gap
    assert (change[weights == 0] == 0).all()
    walls = room(images, -weights * gaps[:, None, None, None])
    for moved, slope, wall in zip(
        change.abs().flatten(1), weights.abs().flatten(1), walls.flatten(1), strict=True
    ):
        free = (moved < wall * (1 - 1e-5)) & (slope > 0)
        if order == 1:  # none may be steeper than one that moved, unless it is at its wall
            assert slope[free].max() <= slope[moved > exact].min() + 1e-9
            continue
        level = moved / slope if order == 2 else moved
        assert level[free].max() - level[free].min() <= 1e-4 * level[free].max()
        stopped = (slope > 0) & ~free & (wall > 0)
        assert (level[stopped] <= level[free].max() * (1 + 1e-4)).all()


@every_order
def test_far_from_the_walls_the_length_is_the_gap_over_the_dual_norm(order):
    draw = generator(0, "far")
    weights = torch.randn(20, 3, 4, 4, generator=draw, dtype=torch.float64)
    images, gaps = torch.full_like(weights, 0.5), 0.1 * torch.randn(20, generator=draw, dtype=torch.float64)
    change = shortest_change(images, weights, gaps, order)
    dual = {1: math.inf, 2: 2, math.inf: 1}[order]
    lengths = torch.linalg.vector_norm(change.flatten(1), ord=order, dim=1)
    expected = gaps.abs() / torch.linalg.vector_norm(weights.flatten(1), ord=dual, dim=1)
    torch.testing.assert_close(lengths, expected)


@every_order
def test_a_plane_outside_the_box_is_approached_as_far_as_possible(order):
    images, weights, gaps = problem(reach=1.5)
    change = shortest_change(images, weights, gaps, order)
    way = -weights.sign() * gaps.sign()[:, None, None, None]
    torch.testing.assert_close(change, way * room(images, way))


@every_order
def test_where_there_is_no_gap_or_no_slope_nothing_moves(order):
    images, weights, gaps = problem(reach=0.5)
    assert (shortest_change(images, weights, torch.zeros_like(gaps), order) == 0).all()
    assert (shortest_change(images, torch.zeros_like(weights), gaps, order) == 0).all()


@every_order
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_the_plane_plays_no_part(order, scale):
    images, weights, gaps = problem(0.3, torch.float32)
    scaled = shortest_change(images, weights * scale, gaps * scale, order)
    torch.testing.assert_close(scaled, shortest_change(images, weights, gaps, order), rtol=1e-3, atol=1e-4)


def test_another_order_is_refused():
    with pytest.raises(NotbugsError, match=r"order 3 \(known: 1, 2, inf\)"):
        shortest_change(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), torch.zeros(1), 3)
