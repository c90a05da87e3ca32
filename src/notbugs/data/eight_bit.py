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


def eight_bit(images: Images) -> tuple[np.ndarray, bool]:
    """Images (n, channels, height, width) rounded to uint8, and whether that loses nothing."""
    bytes_ = torch.empty(images.shape, dtype=torch.uint8)
    exact = True
    for part, out in zip(images.split(AT_ONCE), bytes_.split(AT_ONCE), strict=True):
        out.copy_(part.mul(255).round_().clamp_(0, 255))
        exact = exact and torch.equal(out.float().div_(255), part)
    return bytes_.numpy(), exact


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of one image (channels, height, width). Raises NotbugsError unless it is grey or RGB."""
    channels = len(pixels)
    if channels not in (1, 3):
        raise NotbugsError(
            f"PNG holds 1 or 3 channels, these images have {channels}; choose arrays (npz, npy)"
        )
    picture = Image.fromarray(pixels[0] if channels == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def class_folders(directory: Path, class_names: Sequence[str]) -> list[Path]:
    """A folder for each class, made if need be. Raises NotbugsError for classes that would share one."""
    folders = [directory / _folder_name(name) for name in class_names]
    if len({str(folder).lower() for folder in folders}) < len(class_names):
        raise NotbugsError(f"class names that differ only in what a folder name cannot hold: {class_names}")
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def _folder_name(name: str) -> str:
    """The class name with what file systems refuse, or hide, replaced."""
    return re.sub(r"^[._ ]|[\x00-\x1f/\\:*?\"<>|]|[. ]$", "-", name) or "-"


__all__ = ["AT_ONCE", "class_folders", "eight_bit", "png"]
