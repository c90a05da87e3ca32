"""A folder with one folder of images per class."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch

from notbugs.data.decoding import IMAGE_SUFFIXES, Encoded, Frame, choose_frame, decode_images
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.splits import every_fifth, require_split
from notbugs.data.stored import Reader, read_or_stored
from notbugs.errors import NotbugsError, unknown
from notbugs.foreign import require_regular
from notbugs.locations import Location, location
from notbugs.tensors import Images

_DECIDE = 1000  # evenly spaced images of the training split that decide the frame

_ALIASES = {"train": ("train",), "test": ("test", "validation", "valid", "val")}


def read_folder(
    path: Location,
    *,
    split: str = "train",
    size: int | None = None,
    stored: bool | None = None,
    for_device: torch.device | str = "cpu",
) -> LabeledImages:
    """The images of `path/CLASS/...`, or of `path/train/CLASS/...` and `path/test/CLASS/...` where those
    exist.

    Classes are the folders, sorted by name; images are sorted by path and may lie deeper. Without
    `path/test`, a folder `validation`, `valid` or `val` is the test split; without any of them, every 5th
    image of each class is. Files that are not called .jpg .jpeg .png .webp .bmp .gif, and names that begin
    with a dot, are ignored. How images become RGB of one size: see `notbugs.data.decoding`; up to 1000
    evenly spaced images of the training split decide the size, unless `size` (pixels) does. `stored`: leave them in
    their files until they are asked for (`StoredImages`); by default what does not fit into memory, also not into
    that of `for_device`, to which they will go.

    Raises NotbugsError, naming the file, for a path that is no readable folder, one without class folders,
    a class folder without images, a class that is in the test split only, and an image that does not
    decode.
    """
    require_split(split)
    divided = _split_folders(path)
    if divided:
        if split not in divided:
            wanted = " or ".join(_ALIASES[split])
            raise NotbugsError(
                f"{path} has a {'/'.join(divided)} folder but none for {split}; add {path}/{wanted}"
            )
        class_names, train_files = _images_by_class(divided.get("train", divided[split]))
        files = train_files
        if split == "test":
            test_names, files = _images_by_class(divided["test"])
            for name in test_names:
                if name not in class_names:
                    raise unknown(f"class folder in {divided['test']}:", name, class_names)
            files = [(file, class_names.index(test_names[label])) for file, label in files]
    else:
        class_names, train_files = _images_by_class(path)
        labels = np.array([label for _, label in train_files])
        files = [train_files[row] for row in every_fifth(labels, split=split)]
        if not files:
            raise NotbugsError(
                f"{path}: no class has 5 images, so its {split} split is empty; "
                f"add images or a folder {path}/{split}"
            )
    step = -(-len(train_files) // _DECIDE)
    frame = choose_frame(_contents(str(file) for file, _ in train_files[::step]), size=size)
    return LabeledImages(
        images=read_or_stored(
            FolderReader(tuple(str(file) for file, _ in files), frame), stored=stored, for_device=for_device
        ),
        labels=torch.tensor([label for _, label in files]),
        class_names=class_names,
        origin=Origin(name=path.resolve().name),
    )


def _entries(folder: Location) -> list[Location]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "__")))
    except FileNotFoundError as error:
        raise NotbugsError(
            f"{folder} does not exist; expected a folder with one folder of images per class"
        ) from error
    except OSError as error:
        raise NotbugsError(
            f"{folder} cannot be read as a folder ({error.strerror}); check path and permissions"
        ) from error


def _subfolders(folder: Location) -> list[Location]:
    return [entry for entry in _entries(folder) if entry.is_dir()]


def _split_folders(path: Location) -> dict[str, Location]:
    """The folders that are splits. One that holds images itself is a class that happens to be called so."""
    folders = {folder.name: folder for folder in _subfolders(path)}
    found = {}
    for split, names in _ALIASES.items():
        for name in names:
            if name in folders and split not in found and _subfolders(folders[name]):
                found[split] = folders[name]
    return found


def _images_by_class(path: Location) -> tuple[tuple[str, ...], list[tuple[Location, int]]]:
    folders = _subfolders(path)
    if not folders:
        raise NotbugsError(
            f"{path} has no class folders; put the images of each class in a folder of its own, "
            f"as in {path}/cat/1.png"
        )
    files = []
    for label, folder in enumerate(folders):
        images = sorted(_images_below(folder))
        if not images:
            raise NotbugsError(
                f"class folder {folder} has no images ({' '.join(sorted(IMAGE_SUFFIXES))}); "
                "add some or remove it"
            )
        files += [(image, label) for image in images]
    return tuple(folder.name for folder in folders), files


def _images_below(folder: Location) -> Iterator[Location]:
    for entry in _entries(folder):
        if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.is_dir():
            yield entry
        elif entry.is_dir() and not entry.is_symlink():  # a link may lead back up
            yield from _images_below(entry)


def _contents(files: Iterable[str]) -> Iterator[Encoded]:
    for file in files:
        where = location(file) if "://" in file else Path(file)
        require_regular(where)
        try:
            yield file, where.read_bytes()
        except OSError as error:
            raise NotbugsError(
                f"{file} cannot be read ({error.strerror}); check the file or remove it"
            ) from error


@final
@dataclass(frozen=True)
class FolderReader(Reader):
    """Images in files of their own, all of which become one frame."""

    files: tuple[str, ...]
    frame: Frame

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.files), 3, *self.frame

    def read(self, rows: np.ndarray) -> Images:
        return decode_images(_contents(self.files[row] for row in rows), count=len(rows), frame=self.frame)

    def shared_by(self, processes: int) -> "FolderReader":
        return self  # it keeps nothing
