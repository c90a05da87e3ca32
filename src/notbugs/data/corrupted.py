"""A corrupted copy of a data set on disk, in the layout of CIFAR-10-C or of ImageNet-C, which other programs read."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from notbugs.data.eight_bit import eight_bit, folder_names, require_png, write_pngs
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.files import appearing, replacing
from notbugs.parts import Made, made_here
from notbugs.progress import Progress, silent
from notbugs.shifts import Corruption
from notbugs.shifts.corruptions import require_brightness

Layout = Literal["npy", "imagefolder"]

_IMAGES_AT_ONCE = 500


def write_corrupted(
    data: LabeledImages,
    directory: Path,
    corruption: str,
    *,
    severities: Sequence[float] = (1, 2, 3, 4, 5),
    layout: Layout = "npy",
    seed: int = 0,
    progress: Progress = silent,
    made: Made = made_here,
) -> Path:
    """All images under one corruption, at every severity, rounded to 8 bits; returns the path that was written.

    * `npy`, as CIFAR-10-C: `NAME.npy`, (severities x images, height, width, channels) in uint8, severity by severity.
    * `imagefolder`, as ImageNet-C: `NAME/SEVERITY/CLASS/000000.png`, numbered by row. Its readers number the classes
      by sorted folder name, so that those of `data` must be in that order and none without images.

    What is there already is left as it is; it appears whole or not at all. The same seed gives the same images, which
    are those of `under_shift`; `made` says where parts of them are. Raises NotbugsError for a corruption or severity
    that there is not, and for images that the layout cannot hold.

    >>> import tempfile
    >>> from notbugs import load
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = write_corrupted(load("digits").first(10), Path(directory), "fog", severities=(1, 3))
    ...     path.name, np.load(path).shape
    ('fog.npy', (20, 32, 32, 3))
    """
    shifts = [Corruption(corruption, float(severity)) for severity in severities]
    require_layout(data, [corruption], layout)
    path = directory / (f"{corruption}.npy" if layout == "npy" else corruption)
    if not path.exists():
        parts = _parts(data, shifts, seed, progress, made)
        if layout == "npy":
            _write_array(path, len(shifts), data, parts)
        else:
            _write_folders(path, shifts, data, parts)
    return path


def require_layout(data: LabeledImages, corruptions: Sequence[str], layout: Layout) -> None:
    """Raise NotbugsError for images or classes that the layout, or one of the corruptions, cannot take."""
    channels = data.images.shape[1]
    for name in corruptions:
        require_brightness(name, channels)
    if layout == "imagefolder":
        require_png(channels)
        names = folder_names(data.class_names)
        empty = set(range(data.classes)) - set(data.labels.tolist())
        if empty:
            raise NotbugsError(
                f"no image of class {data.class_names[min(empty)]}: the folders would be numbered without it; "
                "take more images, or the layout npy"
            )
        if names != sorted(names):
            raise NotbugsError(
                f"folders are numbered by their sorted names, and the classes of {data.origin.name} are in another "
                f"order ({names[0]} first, not {min(names)}): labels would be others; take the layout npy"
            )


Part = tuple[int, int, np.ndarray]
"""Some images under a shift: its number, the place of the first image, (images, channels, height, width)."""


def _parts(
    data: LabeledImages, shifts: Sequence[Corruption], seed: int, progress: Progress, made: Made
) -> Iterator[Part]:
    """All parts, in whatever order they are made."""
    n = len(data)
    places = [(number, first) for number in range(len(shifts)) for first in range(0, n, _IMAGES_AT_ONCE)]

    def make(index: int, _: Progress) -> dict[str, Tensor]:
        number, first = places[index]
        images = data.images[first : first + _IMAGES_AT_ONCE]
        shown = shifts[number](images, seed=seed, indices=range(first, first + len(images)))
        return {"pixels": torch.from_numpy(eight_bit(shown.cpu()))}

    done = 0
    for index, tensors in made(make, range(len(places)), lambda _: silent):
        number, first = places[index]
        yield number, first, tensors["pixels"].numpy()
        done += len(tensors["pixels"])
        progress(done, len(shifts) * n, f"{shifts[number]}")


def _write_array(path: Path, shifts: int, data: LabeledImages, parts: Iterator[Part]) -> None:
    """An array that need not fit into memory: every part is written where it belongs."""
    n, channels, height, width = data.images.shape
    header = {"descr": "|u1", "fortran_order": False, "shape": (shifts * n, height, width, channels)}
    with replacing(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        begin = file.tell()
        for number, first, pixels in parts:
            file.seek(begin + (number * n + first) * channels * height * width)
            file.write(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)).data)


def _write_folders(
    path: Path, shifts: Sequence[Corruption], data: LabeledImages, parts: Iterator[Part]
) -> None:
    names, labels = folder_names(data.class_names), data.labels.tolist()
    with appearing(path) as directory:
        for number, first, pixels in parts:
            within = directory / f"{shifts[number].severity:g}"
            folders = [within / names[label] for label in labels[first : first + len(pixels)]]
            write_pngs(pixels, folders, first=first, of=len(data))


__all__ = ["Layout", "require_layout", "write_corrupted"]
