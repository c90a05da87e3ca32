"""Fog, frost, snow and spatter: what they add is light, clouds fill their range, colours are as they are called."""

import pytest
import torch
from shifts.pictures import pictures

from notbugs.shifts import Corruption
from notbugs.shifts.draws import draws_of
from notbugs.shifts.severity import CIFAR
from notbugs.shifts.spatter import rims
from notbugs.shifts.weather import plasma


def test_clouds_go_from_0_to_1_and_get_rougher_as_the_range_falls_more_slowly():
    smooth, rough = (plasma(64, decay, draws_of(range(20), "fog", seed=0)) for decay in (3.0, 1.5))
    for clouds in (smooth, rough):
        assert torch.equal(clouds.amin((1, 2)), torch.zeros(20))
        torch.testing.assert_close(clouds.amax((1, 2)), torch.ones(20))
    steps = [clouds.diff(dim=1).square().mean() for clouds in (smooth, rough)]
    assert steps[0] < steps[1] / 4


def test_fog_keeps_the_brightest_value_and_lies_over_all_colours_alike():
    image = torch.zeros(1, 3, 32, 32)
    image[..., 0, 0] = 1
    thickness, _ = CIFAR["fog"][2]
    foggy = Corruption("fog", 3, "cifar")(image)
    assert torch.equal(foggy[:, 0], foggy[:, 1])
    assert (
        foggy.flatten(1)[:, 1:].amax() <= thickness / (1 + thickness) + 1e-6 or foggy[..., 0, 0].amax() <= 1
    )


def test_snow_and_water_only_add_light_and_mud_is_dark():
    images = pictures(4)
    for severity in (1, 5):
        whiter = Corruption("snow", severity)(images) - images
        assert whiter.amin() >= -1e-5
    assert (Corruption("spatter", 2)(images) - images).amin() >= -1e-5
    white = torch.ones(6, 3, 32, 32)
    muddy = Corruption("spatter", 5)(white)
    assert muddy.mean() < 1
    assert (muddy[:, 0] >= muddy[:, 2] - 1e-6).all()  # brown: red before blue


def test_frost_is_a_share_of_the_image_and_some_of_a_photograph():
    dark, light = torch.zeros(6, 3, 32, 32), torch.full((6, 3, 32, 32), 0.2)
    kept, thickness, _ = CIFAR["frost"][4]
    ice = Corruption("frost", 5, "cifar")(dark)
    assert 0.05 < ice.mean() < thickness
    torch.testing.assert_close(Corruption("frost", 5, "cifar")(light), (ice + kept * 0.2).clamp(0, 1))


@pytest.mark.parametrize("size", [(3, 40, 40), (2, 9, 70)], ids=str)
def test_no_drops_no_rims(size):
    assert not rims(torch.zeros(size)).any()


def test_drops_shine_at_their_rims():
    drop = torch.zeros(1, 60, 60)
    drop[:, 20:40, 20:40] = 0.8
    light = rims(drop)[0]
    assert light.amax() == pytest.approx(1)
    assert light[:15].amax() == 0
    assert light[30, 30] < 1
