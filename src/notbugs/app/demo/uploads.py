"""A visitor's file made an image, or refused in one line: nothing about it is trusted."""

import base64
import binascii

from PIL import Image

from notbugs.data.decoding import choose_frame, decode_images
from notbugs.errors import NotbugsError
from notbugs.tensors import Images

LARGEST_FILE = 8 * 2**20
"""Bytes."""

LARGEST_IMAGE = 24_000_000
"""Pixels: what a telephone takes. A small file can unpack to any number of them."""


def read_upload(content: bytes, side: int) -> Images:
    """The image of a file, its middle square, `side` pixels wide: (1, 3, side, side) in [0, 1].

    Its header is read before anything is unpacked. Raises NotbugsError for a file or image that is too large, and for
    bytes that are no whole PNG, JPEG, WebP, BMP or GIF.

    >>> import io
    >>> from PIL import Image
    >>> stream = io.BytesIO()
    >>> Image.new("RGB", (640, 480), "white").save(stream, format="PNG")
    >>> read_upload(stream.getvalue(), 32).shape
    torch.Size([1, 3, 32, 32])
    """
    if len(content) > LARGEST_FILE:
        raise NotbugsError(
            f"This file has {len(content) / 2**20:.0f} MB; the limit is {LARGEST_FILE // 2**20} MB. "
            "Choose a smaller one."
        )
    encoded = ("the file", content)
    try:
        height, width = choose_frame([encoded])
        if height * width <= LARGEST_IMAGE:
            return decode_images([encoded], count=1, frame=(side, side))
    except NotbugsError as error:
        if not isinstance(error.__cause__, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
            raise NotbugsError(
                "This is no whole image of a kind that is read here. Choose a PNG, JPEG, WebP, BMP or GIF file."
            ) from error
    raise NotbugsError(
        f"This image has too many pixels; the limit is {LARGEST_IMAGE // 10**6} million. Make it smaller."
    )


def read_text(text: str, side: int) -> Images:
    """The image of a link, as `text_of` wrote it. Raises NotbugsError for any other text."""
    try:
        content = base64.urlsafe_b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise NotbugsError("The image of this link is damaged. Ask for the link again.") from error
    return read_upload(content, side)


__all__ = ["LARGEST_FILE", "LARGEST_IMAGE", "read_text", "read_upload"]
