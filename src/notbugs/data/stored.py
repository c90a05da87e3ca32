"""Images that stay where they are and are read when they are indexed: a data set may be larger than memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np
import torch

from notbugs.errors import NotbugsError
from notbugs.hardware import free_memory_of
from notbugs.memory import available_memory, sharing
from notbugs.tensors import Images

SHARE = 1 / 4
"""Of the memory that is left, images may take so much: tests, adversarial copies and a network want some as well."""


class Reader(ABC):
    """Where images are and how they are read. Subclasses are final, and can be given to another process."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height, width."""

    @abstractmethod
    def read(self, rows: np.ndarray) -> Images:
        """The images of these rows, in this order, float32. Raises NotbugsError where one cannot be read."""

    @abstractmethod
    def shared_by(self, processes: int) -> "Reader":
        """The same reader for each of so many processes that read at once: what they keep is for all together."""


@final
class StoredImages(torch.Tensor):
    """What `LabeledImages.images` is while the images are on disk: a tensor that can be indexed, and nothing else.

    `images[rows]`, with a slice, a mask or row numbers, reads these rows; `split` reads part after part. Whatever
    else is asked of all images at once raises NotbugsError instead of filling the memory.
    """

    reader: Reader
    rows: np.ndarray
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(
        cls: type["StoredImages"],
        reader: Reader,
        rows: np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> "StoredImages":
        rows = np.arange(reader.shape[0]) if rows is None else rows
        made = torch.Tensor._make_wrapper_subclass(
            cls, (len(rows), *reader.shape[1:]), dtype=torch.float32, device=torch.device(device)
        )
        made.reader, made.rows = reader, rows
        return made

    def __getitem__(self, rows: Any) -> torch.Tensor:
        if not isinstance(rows, slice):
            rows = torch.as_tensor(rows).cpu().numpy()
            if rows.ndim != 1:
                raise IndexError("stored images are indexed by one slice, mask or list of rows")
        wanted = self.rows[rows]
        images = self.reader.read(wanted)
        # As `LabeledImages` asks of images in memory; also false where there is a NaN.
        if len(images) and not (images.amin() >= 0 and images.amax() <= 1):
            inside = ((images >= 0) & (images <= 1)).flatten(1).all(1)
            row = int(wanted[int((~inside).nonzero()[0])])
            raise NotbugsError(
                f"image {row} has values outside [0, 1] (or NaN): mend it, or the source that it is from"
            )
        return images.to(self.device)

    def split(self, split_size: int, dim: int = 0) -> Iterator[torch.Tensor]:  # type: ignore[override]
        """Part after part: only one of them is in memory."""
        if dim != 0:
            raise IndexError("stored images are split by image alone")
        return (self[first : first + split_size] for first in range(0, len(self), split_size))

    def to(self, device: torch.device | str) -> "StoredImages":  # type: ignore[override]
        """The same images, which go to `device` when they are read."""
        if torch.device(device) == self.device:
            return self
        return StoredImages(self.reader, self.rows, device)

    def shared_by(self, processes: int) -> "StoredImages":
        """The same images for each of so many processes."""
        return StoredImages(self.reader.shared_by(processes), self.rows, self.device)

    def changed(self, change: Callable[[Images, np.ndarray], Images]) -> "StoredImages":
        """What `change` makes of some images, of which it is told the rows, whenever they are read. What it makes of
        one must not depend on the others.
        """
        return StoredImages(_Changed(self.to("cpu"), change), device=self.device)

    def narrowed(self, rows: torch.Tensor) -> "StoredImages":
        """These images alone, still unread."""
        return StoredImages(self.reader, self.rows[rows.cpu().numpy()], self.device)

    def read_if_it_fits(self) -> Images:
        """In memory where there is room."""
        return self[:] if _fits(self.shape, self.device) else self

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"StoredImages({'x'.join(map(str, self.shape))}, {size_of(self.shape) / 1e9:.1f} GB)"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return StoredImages, (self.reader, self.rows, self.device)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> NoReturn:
        raise NotbugsError(
            "what was asked needs all images in memory at once, and they do not fit: ask it of fewer of them"
        )


def read_or_stored(
    reader: Reader, *, stored: bool | None = None, for_device: torch.device | str = "cpu"
) -> Images:
    """All images in memory, or stored; by default what fits into the memory that is left, also of `for_device`, to
    which they will go.
    """
    if stored is None:
        stored = not _fits(reader.shape, torch.device(for_device))
    return StoredImages(reader) if stored else reader.read(np.arange(reader.shape[0]))


def joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """One after the other: still stored where all are, else in memory."""
    stored = [part for part in parts if isinstance(part, StoredImages)]
    if not stored or len(stored) < len(parts):
        return torch.cat(list(parts))
    return StoredImages(_Joined(tuple((part.reader, part.rows) for part in stored)), device=stored[0].device)


@final
@dataclass(frozen=True)
class _Joined(Reader):
    """Some rows of each of several readers."""

    parts: tuple[tuple[Reader, np.ndarray], ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return sum(len(rows) for _, rows in self.parts), *self.parts[0][0].shape[1:]

    def read(self, rows: np.ndarray) -> Images:
        images, first = torch.empty(len(rows), *self.shape[1:]), 0
        for reader, kept in self.parts:
            places = np.flatnonzero((rows >= first) & (rows < first + len(kept)))
            if len(places):
                images[torch.from_numpy(places)] = reader.read(kept[rows[places] - first])
            first += len(kept)
        return images

    def shared_by(self, processes: int) -> "_Joined":
        return _Joined(tuple((reader.shared_by(processes), rows) for reader, rows in self.parts))


@final
@dataclass(frozen=True, eq=False)
class _Changed(Reader):
    """What becomes of stored images."""

    images: StoredImages
    change: Callable[[Images, np.ndarray], Images]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        count, channels, height, width = self.images.shape
        return count, channels, height, width

    def read(self, rows: np.ndarray) -> Images:
        return self.change(self.images[rows], rows)

    def shared_by(self, processes: int) -> "_Changed":
        return _Changed(self.images.shared_by(processes), self.change)


def fits(size: int, *, free: int, free_on_device: int | None = None, processes: int = 1) -> bool:
    """Whether images of so many bytes may be in memory: in that of the machine, of which each of `processes` has its
    part, and in that of the device where it has its own.

    >>> fits(10, free=40), fits(10, free=40, processes=2), fits(10, free=40, free_on_device=39)
    (True, False, False)
    """
    left = free / processes
    return size <= SHARE * (left if free_on_device is None else min(left, free_on_device))


def _fits(shape: tuple[int, ...], device: torch.device) -> bool:
    return fits(
        size_of(shape),
        free=available_memory(),
        free_on_device=free_memory_of(device),
        processes=sharing(),
    )


def size_of(shape: tuple[int, ...]) -> int:
    """Bytes of so many float32."""
    return 4 * int(np.prod(shape, dtype=np.int64))


__all__ = ["Reader", "StoredImages", "fits", "joined", "read_or_stored", "size_of"]
