"""Schedules at points where their value is known, and their averages."""

import pytest

from notbugs.training.schedule import SCHEDULES


@pytest.mark.parametrize(
    "name, values",
    [
        ("one_cycle", {0: 0, 0.1: 0.5, 0.2: 1, 0.6: 0.5, 1: 0}),
        ("step", {0: 1, 0.33: 1, 0.34: 0.1, 0.66: 0.1, 0.67: 0.01, 1: 0.01}),
        ("cosine", {0: 1, 1 / 3: 0.75, 0.5: 0.5, 2 / 3: 0.25, 1: 0}),
        ("constant", {0: 1, 0.5: 1, 1: 1}),
    ],
)
def test_values(name, values):
    for done, factor in values.items():
        assert SCHEDULES[name](done) == pytest.approx(factor, abs=1e-12)


@pytest.mark.parametrize(
    "name, mean", [("one_cycle", 0.5), ("cosine", 0.5), ("step", 1.11 / 3), ("constant", 1)]
)
def test_means(name, mean):
    points = [SCHEDULES[name]((step + 0.5) / 3000) for step in range(3000)]
    assert sum(points) / 3000 == pytest.approx(mean, abs=1e-3)
    assert 0 <= min(points) <= max(points) <= 1
