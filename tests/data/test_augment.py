"""Augmentation: what comes out is a flip, a shift, a square or noise of what went in, and nothing else."""

import pytest
import torch
from torch.nn.functional import pad

from notbugs import seeds
from notbugs.data import Augmentation
from notbugs.data.crops import coloured, resized_crops
from notbugs.errors import NotbugsError

FORMATS = [torch.contiguous_format, torch.channels_last]


def draw(seed=0):
    return seeds.generator(seed, "augment")


@pytest.fixture(params=FORMATS, ids=["nchw", "channels_last"])
def images(request):
    made = torch.rand(16, 3, 9, 12, generator=draw(1))
    return made.contiguous(memory_format=request.param)


EVERY = [
    Augmentation(flip=True),
    Augmentation(translate=3),
    Augmentation(cutout=4),
    Augmentation(noise=0.1),
    Augmentation(noise=(0.0, 0.1)),
    Augmentation(flip=True, translate=2, cutout=3, noise=0.05),
]


@pytest.mark.parametrize("augment", EVERY, ids=repr)
def test_keeps_shape_range_format_input_and_global_state(augment, images):
    before, state = images.clone(), torch.random.get_rng_state()
    out = augment(images, generator=draw())
    assert torch.equal(images, before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert out.shape == images.shape
    assert out.stride() == images.stride()
    assert out.dtype == images.dtype
    assert out.min() >= 0
    assert out.max() <= 1
    assert not torch.equal(out, images)
    assert torch.equal(out, augment(images, generator=draw()))
    assert not torch.equal(out, augment(images, generator=draw(5)))


def test_all_off_returns_its_input(images):
    assert Augmentation()(images, generator=draw()) is images


def test_flip_flips_about_half(images):
    out = Augmentation(flip=True)(images, generator=draw())
    flipped = [torch.equal(o, i.flip(2)) for o, i in zip(out, images, strict=True)]
    kept = [torch.equal(o, i) for o, i in zip(out, images, strict=True)]
    assert all(f or k for f, k in zip(flipped, kept, strict=True))
    assert 3 <= sum(flipped) <= 13


def test_translate_is_a_crop_of_the_reflect_padded_image(images):
    height, width = images.shape[2:]
    padded = pad(images, (2,) * 4, mode="reflect")
    seen = set()
    for row, out in enumerate(Augmentation(translate=2)(images, generator=draw())):
        crops = {(y, x): padded[row, :, y : y + height, x : x + width] for y in range(5) for x in range(5)}
        found = [shift for shift, crop in crops.items() if torch.equal(crop, out)]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 5


def test_the_largest_shift_fits():
    images = torch.rand(4, 1, 3, 3, generator=draw())
    assert Augmentation(translate=2)(images, generator=draw()).isfinite().all()


def test_cutout_is_one_whole_square_of_grey(images):
    out = Augmentation(cutout=4)(images, generator=draw())
    changed = (out != images).any(1)
    assert changed.sum((1, 2)).tolist() == [16] * 16
    assert (out[:, :, :, :][changed[:, None].expand_as(out)] == 0.5).all()
    for mask in changed:
        rows, cols = mask.any(1).nonzero().ravel(), mask.any(0).nonzero().ravel()
        assert rows[-1] - rows[0] == cols[-1] - cols[0] == 3


def test_noise_has_the_standard_deviation_asked_for():
    images = torch.full((8, 3, 32, 32), 0.5)
    out = Augmentation(noise=0.05)(images, generator=draw())
    assert out.std().item() == pytest.approx(0.05, rel=0.05)


def test_noise_of_every_strength_between_two():
    images = torch.full((400, 1, 32, 32), 0.5)
    deviations = Augmentation(noise=(0.02, 0.08))(images, generator=draw()).std((1, 2, 3))
    assert 0.018 < deviations.min() < 0.025
    assert 0.075 < deviations.max() < 0.085
    assert deviations.mean().item() == pytest.approx(0.05, abs=0.003)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"noise": (0.0, float("inf"))}, "noise must be 0 or more"),
        ({"noise": (0.2, 0.1)}, "the lower first"),
        ({"translate": -1}, "translate must be 0 or more, got -1"),
        ({"noise": float("nan")}, "noise must be 0 or more, got nan"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(NotbugsError, match=message):
        Augmentation(**fields)


@pytest.mark.parametrize(
    "augment, message",
    [
        (
            Augmentation(translate=8),
            "translate=8 needs images larger than 8 pixels, these are 8x9; use translate <= 7",
        ),
        (Augmentation(cutout=9), "cutout=9 does not fit in images of 8x9; use cutout <= 8"),
    ],
)
def test_what_does_not_fit_is_refused(augment, message):
    with pytest.raises(NotbugsError, match=message):
        augment(torch.zeros(1, 3, 8, 9), generator=draw())


@pytest.mark.parametrize("order", FORMATS)
def test_a_crop_of_everything_and_no_colour_change_nothing(order):
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=order)
    draw = torch.Generator().manual_seed(1)
    crops = resized_crops(images, least=1.0, generator=draw)
    torch.testing.assert_close(crops, images, atol=1e-5, rtol=0)
    assert crops.stride() == images.stride()
    grey = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(coloured(grey, strength=0.0, generator=draw), grey)


def test_crops_show_parts_of_the_image():
    """On a ramp a crop is a ramp again, between values of the image and at most as steep."""
    ramp = torch.linspace(0, 1, 32).expand(64, 3, 32, 32).contiguous()
    crops = resized_crops(ramp, least=0.25, generator=torch.Generator().manual_seed(0))
    steps = crops.diff(dim=3)
    assert (steps >= -1e-5).all()
    assert steps.max() <= 1 / 31 + 1e-4
    widths = crops.amax((1, 2, 3)) - crops.amin((1, 2, 3))
    assert widths.min() < 0.6 < widths.max()


def test_colours_stay_in_the_box_and_some_are_lost():
    images = torch.rand(400, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    changed = coloured(images, strength=0.4, generator=torch.Generator().manual_seed(1))
    assert changed.min() >= 0
    assert changed.max() <= 1
    lost = (changed.amax(1) - changed.amin(1)).amax((1, 2)) < 1e-6
    assert 0.12 < lost.double().mean() < 0.28


def test_crop_and_colour_are_shares():
    with pytest.raises(NotbugsError, match=r"crop must lie in \[0, 1\], got 1.5"):
        Augmentation(crop=1.5)
    with pytest.raises(NotbugsError, match=r"colour must lie in \[0, 1\], got -0.1"):
        Augmentation(colour=-0.1)
