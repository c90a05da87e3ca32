"""What the benchmark of corruptions measures: a benchmark that miscounts is worse than none."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from notbugs.seeds import generator


@pytest.fixture
def likeness(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2])])
    return importlib.import_module("benchmarks.likeness")


def _noise(scale: float, seed: int) -> torch.Tensor:
    return 0.5 + scale * torch.randn(20, 3, 32, 32, generator=generator(seed))


def test_the_same_images_do_not_differ(likeness):
    images = _noise(0.1, 0)
    assert likeness.difference(images, images) == {"mean_difference": 0, "largest_difference": 0}
    assert likeness.difference(images + 2 / 255, images)["mean_difference"] == pytest.approx(2, rel=1e-3)


def test_another_spread_is_found_and_chance_is_told_apart_from_it(likeness):
    runs = [likeness.joined([likeness.moments(_noise(scale, seed)) for seed in seeds])
            for scale, seeds in ((0.1, (0, 1)), (0.1, (2, 3)), (0.11, (4, 5)))]  # fmt: skip
    alike, apart = likeness.deviations(runs[0], runs[1]), likeness.deviations(runs[2], runs[1])
    assert apart["deviation"]["ratio_less_1"] == pytest.approx(0.1, abs=0.01)
    for octave, found in alike["spectrum"].items():
        assert abs(found["ratio_less_1"]) < 5 * found["error"], octave
        assert apart["spectrum"][octave]["ratio_less_1"] == pytest.approx(0.21, abs=5 * found["error"])
    assert list(alike["spectrum"]) == ["1-1", "2-3", "4-7", "8-15"]
    assert likeness.deviations(*[likeness.moments(_noise(0.1, 0))] * 2)["mean"]["error"] is None
