"""A corrupted copy of a data set on disk, in the layout of CIFAR-10-C or of ImageNet-C, which other programs read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from notbugs.data.eight_bit import class_folders, eight_bit, png
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.files import appearing
from notbugs.progress import Progress, silent
from notbugs.shifts import Corruption

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
) -> Path:
    """All images under one corruption, at every severity, rounded to 8 bits; returns the path that was written.

    * `npy`, as CIFAR-10-C: `NAME.npy`, (severities x images, height, width, channels) in uint8, severity by severity.
    * `imagefolder`, as ImageNet-C: `NAME/SEVERITY/CLASS/000000.png`, numbered by row.

    What is there already is left as it is; it appears whole or not at all. The same seed gives the same images, which
    are those of `under_shift`. Raises NotbugsError for a corruption or severity that there is not, and for
    images that the layout cannot hold.

    >>> import tempfile
    >>> from notbugs import load
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = write_corrupted(load("digits").first(10), Path(directory), "fog", severities=(1, 3))
    ...     path.name, np.load(path).shape
    ('fog.npy', (20, 32, 32, 3))
    """
    shifts = [Corruption(corruption, float(severity)) for severity in severities]
    path = directory / (f"{corruption}.npy" if layout == "npy" else corruption)
    if not path.exists():
        parts = _parts(data, shifts, seed, progress)
        if layout == "npy":
            _write_array(path, len(shifts), data, parts)
        else:
            _write_folders(path, shifts, data, parts)
    return path


Part = tuple[int, int, np.ndarray]
"""Some images under a shift: its number, the place of the first image, (images, channels, height, width)."""


def _parts(
    data: LabeledImages, shifts: Sequence[Corruption], seed: int, progress: Progress
) -> Iterator[Part]:
    n = len(data)
    for number, shift in enumerate(shifts):
        for first in range(0, n, _IMAGES_AT_ONCE):
            images = data.images[first : first + _IMAGES_AT_ONCE]
            places = range(first, first + len(images))
            yield number, first, eight_bit(shift(images, seed=seed, indices=places).cpu())[0]
            progress(number * n + places.stop, len(shifts) * n, f"{shift}")


def _write_array(path: Path, shifts: int, data: LabeledImages, parts: Iterator[Part]) -> None:
    """An array that need not fit into memory."""
    n, channels, height, width = data.images.shape
    hidden = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        array = np.lib.format.open_memmap(
            hidden, mode="w+", dtype=np.uint8, shape=(shifts * n, height, width, channels)
        )
        for number, first, pixels in parts:
            start = number * n + first
            array[start : start + len(pixels)] = pixels.transpose(0, 2, 3, 1)
        array.flush()
        os.replace(hidden, path)
    except OSError as error:
        raise NotbugsError(f"{path} cannot be written ({error.strerror or error}); free space") from error
    finally:
        hidden.unlink(missing_ok=True)


def _write_folders(
    path: Path, shifts: Sequence[Corruption], data: LabeledImages, parts: Iterator[Part]
) -> None:
    labels, digits = data.labels.tolist(), max(6, len(str(len(data))))
    with appearing(path) as directory:
        folders = [class_folders(directory / f"{shift.severity:g}", data.class_names) for shift in shifts]
        for number, first, pixels in parts:
            for row, image in enumerate(pixels, start=first):
                (folders[number][labels[row]] / f"{row:0{digits}}.png").write_bytes(png(image))


__all__ = ["Layout", "write_corrupted"]
