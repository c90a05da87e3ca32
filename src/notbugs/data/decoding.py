"""Encoded images to float32: one rule for every file that a user may have.

* Every image becomes RGB: greyscale is repeated, CMYK and the other colour spaces are converted, transparency
  is composited on white, 16-bit greyscale is divided by 65535 (8-bit by 255; of 16-bit colour, Pillow keeps
  the upper 8 bits), the EXIF orientation is applied, of an animation the first frame is taken.
* One data set has one frame. If the images that decide it have one size, that is the frame; otherwise it is a
  square of their most common short side (of equally common ones the smallest), or `size` where that is given.
  An image of another size is centre-cropped to the frame's aspect and resized (bilinear, antialiased).
* Only JPEG, PNG, WebP, BMP and GIF are opened, whatever the file is called.
"""

import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image, ImageOps

from notbugs.errors import NotbugsError
from notbugs.tensors import Images

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"})
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_BLOCK = 512  # images converted to float32 at a time, so that the 8-bit copy stays in the cache

Encoded = tuple[str, bytes]
"""Where an image was found, for messages, and its bytes."""

Frame = tuple[int, int]
"""Height and width, in pixels."""


def choose_frame(encoded: Iterable[Encoded], *, size: int | None = None) -> Frame:
    """The height and width that a data set gets, decided from the headers of these images alone.

    Raises NotbugsError for a `size` below 1, and for bytes that are no image.
    """
    if size is not None:
        if size < 1:
            raise NotbugsError(f"size must be 1 pixel or more, got {size}")
        return size, size
    sizes = Counter(_upright_size(where, content) for where, content in encoded)
    if len(sizes) == 1:
        return next(iter(sizes))
    sides: Counter[int] = Counter()
    for (height, width), count in sizes.items():
        sides[min(height, width)] += count
    side = min(sides, key=lambda side: (-sides[side], side))
    return side, side


def decode_images(encoded: Iterable[Encoded], *, count: int, frame: Frame) -> Images:
    """`count` encoded images as one float32 tensor in [0, 1], NCHW with 3 channels.

    Raises NotbugsError, naming the image, for bytes that do not decode completely.
    """
    images = torch.empty(count, 3, *frame)
    block = np.empty((_BLOCK, *frame, 3), np.uint8)
    deep: dict[int, np.ndarray] = {}  # the 16-bit images
    source = iter(encoded)
    for start in range(0, count, _BLOCK):
        rows = min(_BLOCK, count - start)
        for row in range(rows):
            where, content = next(source)
            picture = _fitted(_decoded(where, content), frame)
            if picture.mode == "F":
                deep[start + row] = np.asarray(picture).clip(0, 1)
            else:
                block[row] = np.asarray(picture)
        eight_bit = (
            torch.from_numpy(block[:rows]).permute(0, 3, 1, 2).contiguous()
        )  # 5 times faster in 8 bits
        images[start : start + rows].copy_(eight_bit).div_(255)
    for row, grey in deep.items():
        images[row] = torch.from_numpy(grey)
    return images


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Pillow's many exceptions and warnings as one error that names the image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # metadata that Pillow finds odd changes no pixel
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise NotbugsError(
            f"{where}: more than {Image.MAX_IMAGE_PIXELS} pixels, refused as a decompression bomb; "
            "make the image smaller or remove it"
        ) from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error and more
        raise NotbugsError(
            f"{where}: not a complete image ({_one_line(error)}); replace or remove it "
            f"(read here: {', '.join(FORMATS)})"
        ) from error


def _one_line(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "its bytes are of no known image format"
    return " ".join(str(error).split()) or type(error).__name__


def _upright_size(where: str, content: bytes) -> Frame:
    with _reading(where), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        width, height = picture.size
        turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # EXIF orientations that swap the sides
    return (width, height) if turned else (height, width)


def _decoded(where: str, content: bytes) -> Image.Image:
    """Mode RGB; or mode F with values in [0, 1] where the file has 16 bits."""
    with _reading(where), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        picture.load()
        if picture.mode == "RGB" and not picture.info:  # the fast path: most data sets hold nothing else
            return picture
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode.startswith("I") or picture.mode == "F":
            grey = np.asarray(picture, dtype=np.float32)
            see_through = picture.info.get("transparency")
            if isinstance(see_through, int):
                grey = np.where(grey == see_through, np.float32(65535), grey)
            return Image.fromarray(grey / np.float32(65535))
        if picture.has_transparency_data:
            layer = picture.convert("RGBA")
            white = Image.new("RGBA", layer.size, "white")
            return Image.alpha_composite(white, layer).convert("RGB")
        return picture.convert("RGB")


def _fitted(picture: Image.Image, frame: Frame) -> Image.Image:
    height, width = frame
    if picture.size == (width, height):
        return picture
    # The largest centred box of the frame's aspect. Cropped first: resize(box=) also looks outside its box.
    scale = min(picture.width / width, picture.height / height)
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (picture.width - across) // 2, (picture.height - down) // 2
    picture = picture.crop((left, top, left + across, top + down))
    return picture.resize((width, height), Image.Resampling.BILINEAR)  # antialiased
