"""Contrast, brightness, saturation, pixelation have closed forms; elastic waves keep what is the same all over."""

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image
from shifts.pictures import pictures

from notbugs.shifts import Corruption
from notbugs.shifts.severity import CIFAR, IMAGENET


def test_contrast_shrinks_towards_the_mean_of_each_colour():
    images = pictures(3)
    means = images.mean((2, 3), keepdim=True)
    for severity in (1, 3, 5):
        kept = CIFAR["contrast"][severity - 1][0]
        expected = (images - means) * kept + means
        torch.testing.assert_close(Corruption("contrast", severity)(images), expected.clamp(0, 1))


def _through_hsv(images: torch.Tensor, change) -> torch.Tensor:
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3).double().tolist()
    changed = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in pixels]
    count, _, height, width = images.shape
    return torch.tensor(changed).view(count, height, width, 3).permute(0, 3, 1, 2)


@pytest.mark.parametrize("severity", [1, 5])
def test_brightness_and_saturation_are_those_of_hsv(severity):
    images = pictures(2, 3, 20, 20)
    images[0, :, :3] = 0
    images[0, :, 3:6] = 0.5
    (raised,) = CIFAR["brightness"][severity - 1]
    expected = _through_hsv(images, lambda h, s, v: (h, s, min(v + raised, 1)))
    torch.testing.assert_close(Corruption("brightness", severity)(images), expected, atol=1e-5, rtol=0)
    scale, raised = CIFAR["saturate"][severity - 1]
    expected = _through_hsv(images, lambda h, s, v: (h, min(max(s * scale + raised, 0), 1), v))
    torch.testing.assert_close(Corruption("saturate", severity)(images), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(32, 32), (224, 224), (90, 133), (17, 23)], ids=str)
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_pixelation_is_pillows(size, severity):
    for table in (CIFAR, IMAGENET):
        (scale,) = table["pixelate"][severity - 1]
        images = pictures(2, 3, *size)
        name = "cifar" if table is CIFAR else "imagenet"
        ours = Corruption("pixelate", severity, name)(images)
        for image, pixelated in zip(images, ours, strict=True):
            whole = Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy())
            small = whole.resize((int(size[1] * scale), int(size[0] * scale)), Image.Resampling.BOX)
            again = np.array(small.resize((size[1], size[0]), Image.Resampling.BOX))
            theirs = torch.from_numpy(again).permute(2, 0, 1).float()
            assert (pixelated * 255 - theirs).abs().mean() <= 0.6


def test_elastic_waves_move_pixels_and_change_no_colour():
    grey = torch.full((2, 3, 40, 52), 0.3)
    for table in ("cifar", "imagenet"):
        for severity in (1, 3, 5):
            moved = Corruption("elastic_transform", severity, table)(grey)
            torch.testing.assert_close(moved, grey, atol=1e-5, rtol=0)
    images = pictures(6)
    moved = Corruption("elastic_transform", 3)(images)
    assert (moved.mean() - images.mean()).abs() < 0.02
    assert images.amin() - 1e-5 <= moved.amin() <= moved.amax() <= images.amax() + 1e-5
