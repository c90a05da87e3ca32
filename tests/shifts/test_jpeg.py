"""JPEG beside the one that Pillow reads and writes."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from shifts.pictures import pictures

from notbugs.shifts import Corruption
from notbugs.shifts.draws import draws_of
from notbugs.shifts.jpeg import jpeg_compression


def _pillow(image: torch.Tensor, quality: int) -> torch.Tensor:
    pixels = (image * 255).round().byte()
    stream = io.BytesIO()
    grey = len(pixels) == 1
    one = pixels[0].numpy() if grey else pixels.permute(1, 2, 0).numpy()
    Image.fromarray(np.ascontiguousarray(one)).save(stream, "JPEG", quality=quality)
    read = torch.from_numpy(np.array(Image.open(stream))).float() / 255
    return read[None] if grey else read.permute(2, 0, 1)


@pytest.mark.parametrize("quality", [95, 80, 50, 25, 10, 7])
@pytest.mark.parametrize("size", [(3, 32, 32), (3, 96, 112), (1, 28, 28), (3, 17, 23), (3, 40, 75)], ids=str)
def test_it_is_what_pillow_does(quality, size):
    images = pictures(8, *size)
    ours = jpeg_compression(images, (quality,), draws_of(range(8), "jpeg", seed=0))
    theirs = torch.stack([_pillow(image, quality) for image in images])
    assert (ours - theirs).abs().mean() * 255 <= 0.8


def test_the_fifth_severity_is_its_quality():
    image = pictures(1, 3, 64, 64)
    corrupted = Corruption("jpeg_compression", 5, "imagenet")(image)[0]
    assert (corrupted - _pillow(image[0], 7)).abs().mean() * 255 <= 1.0
    assert torch.equal((corrupted * 255).round() / 255, corrupted)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [10, 25, 50, 80])
def test_flat_images_are_pillows_to_the_bit(quality, channels):
    """Halves of a step, which half of all flat blocks have, are rounded away from 0."""
    images = (torch.arange(256) / 255).view(256, 1, 1, 1).expand(256, channels, 16, 16).contiguous()
    ours = jpeg_compression(images, (quality,), draws_of(range(256), "jpeg", seed=0))
    theirs = torch.stack([_pillow(image, quality) for image in images])
    assert torch.equal((ours * 255).round(), (theirs * 255).round())
