"""What holds for all nineteen, and for each what its name says."""

import pytest
import torch
from shifts.pictures import pictures

from notbugs.errors import NotbugsError
from notbugs.shifts import COMMON, CORRUPTIONS, EXTRA, Corruption, parse_shift
from notbugs.shifts.corruptions import OF_BRIGHTNESS
from notbugs.shifts.severity import TABLES

NAMES = list(CORRUPTIONS)
DRAWN = [
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "glass_blur", "motion_blur", "snow",
    "frost", "fog", "elastic_transform", "spatter",
]  # fmt: skip
SIZES = [(3, 17, 23), (1, 28, 28), (3, 40, 224), (3, 8, 8), (1, 1, 1), (3, 1, 40), (2, 33, 9)]


def test_fifteen_and_four() -> None:
    assert (len(COMMON), len(EXTRA), len(CORRUPTIONS)) == (15, 4, 19)
    assert all(set(table) == set(CORRUPTIONS) for table in TABLES.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("table", ["cifar", "imagenet"])
def test_every_severity_stays_in_the_box_and_changes_the_image(name, table):
    images = pictures(2, 3, 48, 48)
    before = images.clone()
    for severity in (1, 2, 3.5, 5):
        corrupted = Corruption(name, severity, table)(images)
        assert corrupted.shape == images.shape
        assert corrupted.dtype == torch.float32
        assert 0 <= corrupted.amin() <= corrupted.amax() <= 1
        assert (corrupted - images).abs().mean() > 1e-3
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "name, size",
    [(name, size) for name in NAMES for size in SIZES if size[0] != 2 or name not in OF_BRIGHTNESS],
    ids=str,
)
def test_any_size_and_one_colour(name, size):
    images = pictures(2, *size) if min(size[1:]) > 1 else torch.full((2, *size), 0.5)
    corrupted = Corruption(name, 2, "cifar")(images)
    assert corrupted.shape == images.shape
    assert corrupted.isfinite().all()


@pytest.mark.parametrize("name", OF_BRIGHTNESS)
def test_two_colours_have_no_brightness(name):
    with pytest.raises(NotbugsError, match=f"{name} needs grey or RGB images, these have 2 channels"):
        Corruption(name, 2)(torch.rand(1, 2, 32, 32))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [32, 100])
def test_an_image_is_corrupted_the_same_whatever_lies_beside_it(name, size):
    images = pictures(5, 3, size, size)
    corruption = Corruption(name, 3)
    together = corruption(images, seed=1, indices=range(7, 12))
    assert torch.equal(together, corruption(images, seed=1, indices=range(7, 12)))
    alone = torch.cat([corruption(images[i : i + 1], seed=1, indices=[7 + i]) for i in range(5)])
    # A product of matrices may sum in another order; whole numbers that lie between two then round apart.
    assert (together - alone).abs().mean() < 1e-4
    other = corruption(images, seed=2, indices=range(7, 12))
    assert torch.equal(other, together) == (name not in DRAWN)


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_does_not_depend_on_the_severity(name):
    """The difference from the image at one severity goes along with that at another, not with another seed's."""
    images = pictures(8)
    first, second = (Corruption(name, severity)(images, seed=3) - images for severity in (3, 3.3))
    other = Corruption(name, 3.3)(images, seed=4) - images
    along, apart = (
        torch.corrcoef(torch.stack([first.flatten(), x.flatten()]))[0, 1] for x in (second, other)
    )
    assert along > apart + 0.04


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("saturate", "elastic_transform")])
def test_more_is_worse(name):
    images = pictures(12, seed=5)
    distances = [(Corruption(name, severity)(images) - images).square().mean() for severity in (1, 3, 5)]
    assert distances[0] < distances[2]
    if name not in ("spatter", "snow", "glass_blur", "frost"):
        assert distances == sorted(distances)


@pytest.mark.parametrize("name", ["fog", "contrast", "gaussian_noise", "brightness", "defocus_blur", "frost"])
def test_between_two_severities(name):
    images = pictures(4)
    low, middle, high = (Corruption(name, severity)(images) for severity in (2, 2.5, 3))
    assert (middle - low).norm() < (high - low).norm()
    assert (middle - high).norm() < (high - low).norm()


def test_large_batches_come_in_parts_and_no_images_are_fine():
    images = pictures(200, 3, 32, 32)
    whole = Corruption("fog")(images)
    parts = [Corruption("fog")(images[i : i + 50], indices=range(i, i + 50)) for i in range(0, 200, 50)]
    torch.testing.assert_close(whole, torch.cat(parts))
    for name in NAMES:
        assert Corruption(name)(images[:0]).shape == (0, 3, 32, 32)


def test_memory_order_does_not_matter():
    images = pictures(3, 3, 40, 50)
    for name in NAMES:
        other = Corruption(name, 4)(images.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(other, Corruption(name, 4)(images), msg=name)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("fogg",), "fog"),
        (("fog", 0.5), "between 1 and 5"),
        (("fog", 6), "between 1 and 5"),
    ],
)
def test_mistakes_are_one_clear_line(arguments, words):
    with pytest.raises(NotbugsError, match=words) as caught:
        Corruption(*arguments)
    assert "\n" not in str(caught.value)


def test_a_corruption_is_written_as_it_is_read():
    for text in ("fog:3", "jpeg_compression:2.5"):
        assert str(parse_shift(text)) == text
    assert parse_shift("snow") == Corruption("snow", 3.0)
    with pytest.raises(NotbugsError):
        parse_shift("fog:much")
