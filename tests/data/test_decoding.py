"""Every kind of image that a user may have becomes the RGB values that it shows."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from notbugs.data.decoding import choose_frame, decode_images
from notbugs.errors import NotbugsError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, format=kind, **options)
    return stream.getvalue()


def decoded(*contents, size=None):
    named = [(f"image {row}", content) for row, content in enumerate(contents)]
    return decode_images(named, count=len(named), frame=choose_frame(named, size=size))


def as_images(pixels):
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("kind, options", [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_decode_exactly(kind, options):
    images = decoded(encoded(Image.fromarray(PIXELS), kind, **options))
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    assert torch.equal(images, as_images(PIXELS))


def test_jpeg_and_gif_decode_roughly():
    flat = np.full((6, 8, 3), 200, np.uint8)
    for kind in ("JPEG", "GIF"):
        assert decoded(encoded(Image.fromarray(flat), kind)).sub(200 / 255).abs().max() < 0.02


def test_greyscale_is_repeated():
    grey = PIXELS[:, :, 0]
    images = decoded(encoded(Image.fromarray(grey)))
    assert torch.equal(images, as_images(np.repeat(grey[:, :, None], 3, 2)))


def test_bilevel_is_black_and_white():
    images = decoded(encoded(Image.fromarray(PIXELS[:, :, 0]).convert("1")))
    assert set(images.unique().tolist()) == {0.0, 1.0}


def test_sixteen_bits_are_divided_by_65535():
    deep = RNG.integers(0, 65536, (6, 8), dtype=np.uint16)
    images = decoded(encoded(Image.fromarray(deep)))
    torch.testing.assert_close(images[0, 1], torch.from_numpy(deep.astype(np.float32)) / 65535)
    assert torch.equal(images[0, 0], images[0, 2])


def test_sixteen_and_eight_bits_mix():
    deep = np.full((6, 8), 65535 // 2, np.uint16)
    images = decoded(encoded(Image.fromarray(PIXELS)), encoded(Image.fromarray(deep)))
    assert torch.equal(images[:1], as_images(PIXELS))
    assert images[1].sub(0.5).abs().max() < 1e-4


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_on_white(mode):
    picture = Image.fromarray(PIXELS).convert(mode)
    picture.putalpha(0)
    assert (decoded(encoded(picture)) == 1).all()
    picture.putalpha(255)
    assert torch.equal(decoded(encoded(picture)), decoded(encoded(picture.convert("RGB"))))


def test_a_transparent_palette_colour_is_white():
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((1, 0), 1)
    images = decoded(encoded(picture, transparency=0))
    assert images[0, :, 0, 0].tolist() == [1, 1, 1]
    assert images[0, :, 0, 1].tolist() == [1, 0, 0]
    images = decoded(encoded(picture, transparency=bytes([255, 0])))
    assert images[0, :, 0].T.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_cmyk_is_converted():
    picture = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    images = decoded(encoded(picture, "JPEG"))
    assert images[0, :, 4, 4].sub(torch.tensor([1.0, 0, 0])).abs().max() < 0.02


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    images = decoded(encoded(Image.fromarray(PIXELS), exif=exif))
    assert torch.equal(images, as_images(np.rot90(PIXELS, -1)))


def test_one_size_is_left_alone_even_if_not_square():
    assert decoded(encoded(Image.fromarray(PIXELS)), encoded(Image.fromarray(PIXELS))).shape == (2, 3, 6, 8)


def test_mixed_sizes_become_the_most_common_square_by_a_central_crop():
    wide = np.zeros((8, 20, 3), np.uint8)
    wide[:, 6:14] = 255  # the central square is white
    others = [encoded(Image.new("RGB", (4, 4))), encoded(Image.new("RGB", (4, 9)))]
    images = decoded(encoded(Image.fromarray(wide)), *others)
    assert images.shape == (3, 3, 4, 4)
    assert (images[0] == 1).all()


def test_resizing_is_antialiased():
    board = (np.indices((32, 32)).sum(0) % 2 * 255).astype(np.uint8)
    images = decoded(encoded(Image.fromarray(board)), size=8)
    assert images.shape == (1, 3, 8, 8)
    assert images.sub(0.5).abs().max() < 0.05


def test_size_must_be_positive():
    with pytest.raises(NotbugsError, match="size must be 1 pixel or more, got 0"):
        decoded(encoded(Image.fromarray(PIXELS)), size=0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_truncated_images_are_refused_by_name(kind):
    content = encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), kind)
    with pytest.raises(
        NotbugsError, match=r"^image 0: not a complete image \(.*\); replace or remove it"
    ) as caught:
        decoded(content[: len(content) // 2])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"just text", b"\x89PNG\r\n\x1a\n"])
def test_text_is_refused(content):
    with pytest.raises(
        NotbugsError, match=r"image 0: not a complete image \(its bytes are of no known image format"
    ):
        decoded(content)


def test_other_formats_are_refused():
    with pytest.raises(NotbugsError, match="read here: PNG, JPEG, WEBP, BMP, GIF"):
        decoded(encoded(Image.fromarray(PIXELS), "TIFF"))


def test_a_decompression_bomb_is_refused(monkeypatch):
    content = encoded(Image.fromarray(PIXELS))
    for limit in (40, 10):  # Pillow warns above its limit and raises above twice its limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(
            NotbugsError, match=f"image 0: more than {limit} pixels, refused as a decompression bomb"
        ):
            decoded(content)
