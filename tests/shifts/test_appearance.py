"""Families of features taken away: what stays and what goes, on images where both are known."""

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.shifts import (
    BandNoise,
    OnlyColour,
    Shuffled,
    WithoutColour,
    WithoutTexture,
    parse_band,
    parse_shift,
)
from notbugs.shifts.weather import grey

IMAGES = torch.rand(4, 3, 33, 30, generator=generator(0))
EVERY = [
    WithoutColour(), OnlyColour(), Shuffled(4), Shuffled(3), WithoutTexture(3), WithoutTexture(5),
    BandNoise(parse_band("low:4"), 3.0), BandNoise(parse_band("band-square:4-10"), 3.0), parse_band("high:9"),
]  # fmt: skip


@pytest.mark.parametrize("shift", EVERY, ids=str)
def test_what_every_shift_keeps_to(shift):
    before = IMAGES.clone()
    shown = shift(IMAGES, seed=3)
    assert torch.equal(IMAGES, before)
    assert shown.shape == IMAGES.shape
    assert 0 <= float(shown.min()) <= float(shown.max()) <= 1
    assert torch.equal(shown, shift(IMAGES, seed=3))
    torch.testing.assert_close(shift(IMAGES[2:], seed=3, indices=[2, 3]), shown[2:])
    assert parse_shift(str(shift)) == shift


@pytest.mark.parametrize("shift", [Shuffled(4), BandNoise(parse_band("low:4"), 3.0)], ids=str)
def test_draws_differ_by_seed_and_by_image(shift):
    same = IMAGES[:1].expand(2, -1, -1, -1)
    first, second = shift(same, seed=0)
    assert not torch.equal(first, second)
    assert not torch.equal(first, shift(same, seed=1)[0])


def test_colour_and_brightness_are_told_apart():
    mild = 0.4 + 0.2 * IMAGES
    torch.testing.assert_close(grey(WithoutColour()(mild)), grey(mild))
    even = grey(OnlyColour()(mild))
    torch.testing.assert_close(even, even.mean((2, 3), keepdim=True).expand_as(even))
    difference = OnlyColour()(mild)[:, 0] - OnlyColour()(mild)[:, 2]
    torch.testing.assert_close(difference, mild[:, 0] - mild[:, 2])


@pytest.mark.parametrize("side", [11, 15])
def test_large_medians_are_those_of_all_values_in_the_window(side):
    images = (IMAGES * 255).round() / 255
    framed = torch.nn.functional.pad(images, (side // 2,) * 4, mode="replicate")
    every = framed.unfold(2, side, 1).unfold(3, side, 1).flatten(4)
    torch.testing.assert_close(WithoutTexture(side)(images), every.median(4).values, atol=1e-6, rtol=0)
    even = torch.full((1, 3, 20, 20), 0.25)
    assert torch.equal(WithoutTexture(side)(even), (even * 255).round() / 255)


def test_patches_move_whole():
    shown = Shuffled(2)(IMAGES)
    size = (16, 15)

    def patches(images):
        cut = images[:, :, :32, :30].unfold(2, size[0], size[0]).unfold(3, size[1], size[1])
        return {cut[0, :, i, j].contiguous().numpy().tobytes() for i in range(2) for j in range(2)}

    assert patches(shown) == patches(IMAGES)
    assert torch.equal(shown[:, :, 32:], IMAGES[:, :, 32:])


def test_edges_outlive_the_median_and_grain_does_not():
    step = torch.zeros(1, 1, 16, 16)
    step[..., 8:] = 1
    assert torch.equal(WithoutTexture(5)(step), step)
    grain = step.clone()
    grain[..., 3::6, 3] = 0.5
    grain[..., 3::6, 12] = 0.5
    assert torch.equal(WithoutTexture(5)(grain), step)


def test_noise_of_a_band_lies_in_it_and_has_its_length():
    band, grey_images = parse_band("band:4-9"), torch.full((5, 3, 32, 32), 0.5)
    noise = BandNoise(band, 2.0)(grey_images) - grey_images
    torch.testing.assert_close(noise.flatten(1).norm(dim=1), torch.full((5,), 2.0))
    torch.testing.assert_close(band.keep(noise), noise, atol=1e-6, rtol=0)
    nothing = BandNoise(parse_band("high:40"), 2.0)(grey_images)
    assert torch.equal(nothing, grey_images)


@pytest.mark.parametrize(
    "text, message",
    [
        ("mist:3", "is no shift"),
        ("fog:nine", "is not a number"),
        ("fog:9", "between 1 and 5"),
        ("low", "band of frequencies"),
        ("noise:4", "is no shift"),
        ("noise:0@low:4", "must be positive"),
        ("shuffled:1", "2 or more"),
        ("shuffled:x", "is no shift"),
        ("without-texture:4", "odd number"),
        ("", "is no shift"),
    ],
)
def test_what_is_no_shift_is_said(text, message):
    with pytest.raises(NotbugsError, match=message):
        parse_shift(text)


def test_an_image_smaller_than_its_patches_is_refused():
    with pytest.raises(NotbugsError, match="no 9 patches"):
        Shuffled(9)(torch.rand(1, 3, 8, 8))
