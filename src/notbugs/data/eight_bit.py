"""Images as the bytes and the files that other programs read."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from notbugs.errors import NotbugsError
from notbugs.tensors import Images

AT_ONCE = 1000


def eight_bit(images: Images) -> np.ndarray:
    """Images (n, channels, height, width) rounded to uint8."""
    bytes_ = torch.empty(images.shape, dtype=torch.uint8)
    for part, out in zip(images.split(AT_ONCE), bytes_.split(AT_ONCE), strict=True):
        out.copy_(part.mul(255).round_().clamp_(0, 255))
    return bytes_.numpy()


def is_exact(bytes_: np.ndarray, images: Images) -> bool:
    """Whether the bytes give the images back, to the bit."""
    parts = zip(torch.from_numpy(bytes_).split(AT_ONCE), images.split(AT_ONCE), strict=True)
    return all(torch.equal(part.float().div_(255), of) for part, of in parts)


def require_png(channels: int) -> None:
    """Raise NotbugsError for images that are neither grey nor RGB."""
    if channels not in (1, 3):
        raise NotbugsError(
            f"PNG holds 1 or 3 channels, these images have {channels}; choose arrays (npz, npy)"
        )


def picture(pixels: np.ndarray) -> Image.Image:
    """One image (channels, height, width) in uint8 for Pillow. Raises NotbugsError unless it is grey or RGB."""
    require_png(len(pixels))
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def png(pixels: np.ndarray, *, optimize: bool = False) -> bytes:
    """A PNG file of one image (channels, height, width). Raises NotbugsError unless it is grey or RGB.

    `optimize`: smaller, in more time.
    """
    stream = io.BytesIO()
    picture(pixels).save(stream, format="PNG", optimize=optimize)
    return stream.getvalue()


def folder_names(class_names: Sequence[str]) -> list[str]:
    """The name of the folder of each class. Raises NotbugsError for classes that would share one.

    >>> folder_names(["cat", "either/or"])
    ['cat', 'either-or']
    """
    names = [_folder_name(name) for name in class_names]
    seen: dict[str, str] = {}
    for name, folder in zip(class_names, names, strict=True):
        other = seen.setdefault(folder.lower(), name)
        if other != name:
            raise NotbugsError(
                f"class names that differ only in what a folder name cannot hold: {other!r} and {name!r}; rename one"
            )
    return names


def write_pngs(images: np.ndarray, folders: Sequence[Path], *, first: int, of: int) -> None:
    """Images (n, channels, height, width) in uint8 as PNG files in the folders of their classes, made if need be.

    They are numbered by row from `first`, with as many digits as `of` of them need, and at least six.
    """
    digits = max(6, len(str(of)))
    for row, (image, folder) in enumerate(zip(images, folders, strict=True), start=first):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row:0{digits}}.png").write_bytes(png(image))


def _folder_name(name: str) -> str:
    """The class name with what file systems refuse, or hide, replaced."""
    return re.sub(r"^[._ ]|[\x00-\x1f/\\:*?\"<>|]|[. ]$", "-", name) or "-"


__all__ = ["AT_ONCE", "eight_bit", "folder_names", "is_exact", "picture", "png", "require_png", "write_pngs"]
