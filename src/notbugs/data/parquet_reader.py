"""Reading some images of Parquet files: the rows that are asked for, a row group at a time."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from notbugs.data.decoding import Encoded, Frame, choose_frame, decode_images
from notbugs.data.parquet_schema import PIXELS, ParquetSchema
from notbugs.data.recent import Recent
from notbugs.data.stored import Reader
from notbugs.errors import NotbugsError
from notbugs.foreign import require_regular
from notbugs.locations import Location
from notbugs.tensors import Images

_DECIDE = 1000  # first images of the training split that decide the frame
_BATCH = 1000
_SMALL = 1 << 26  # bytes: a row group up to here is read whole, and kept for a while
_AT_ONCE = 16  # rows that are decoded at once, or fewer: how long they will be, nothing says before
_DECODED = 1 << 28  # bytes that these may be at most, if the row group is as large as it says
_BUFFER = 1 << 20  # bytes of a column that are read at once: a row group may be larger than memory

Rows = tuple[tuple[Location, np.ndarray], ...]
"""Of each file the rows that are wanted, ascending."""


@contextmanager
def reading(file: Location) -> Iterator[None]:
    """What goes wrong in Arrow as one error that names the file."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise NotbugsError(
            f"{file} does not read as Parquet ({' '.join(str(error).split())[:200]}); fetch or write it again"
        ) from error


@contextmanager
def parquet_file(file: Location) -> Iterator[pq.ParquetFile]:
    """A file of this machine, or of another, of which no more is fetched than what is read."""
    require_regular(file)
    with reading(file), ExitStack() as held:
        opened = file if isinstance(file, Path) else held.enter_context(file.open("rb"))
        yield held.enter_context(pq.ParquetFile(opened, buffer_size=_BUFFER))


@final
@dataclass(frozen=True, kw_only=True)
class ParquetReader(Reader):
    """The wanted rows of some files, numbered through. `frame`: what their images become; None: exact pixels."""

    rows: Rows
    schema: ParquetSchema
    frame: Frame | None
    recent: Recent[pa.Array | None] = field(default_factory=lambda: Recent(_bytes_of), compare=False)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        count = sum(len(wanted) for _, wanted in self.rows)
        channels, height, width = self.schema.pixel_shape or (3, *(self.frame or ()))
        return count, channels, height, width

    def read(self, rows: np.ndarray) -> Images:
        ordered, places = np.unique(rows, return_inverse=True)
        if self.frame is None:
            images = self._pixels(ordered)
        else:
            images = decode_images(self._encoded(ordered), count=len(ordered), frame=self.frame)
        return images if np.array_equal(ordered, rows) else images[torch.from_numpy(places)]

    def shared_by(self, processes: int) -> "ParquetReader":
        return replace(self, recent=Recent(_bytes_of, processes=processes))

    def _encoded(self, rows: np.ndarray) -> Iterator[Encoded]:
        for where, content in self._contents(rows, self.schema.image):
            if not isinstance(content, bytes):
                raise NotbugsError(
                    f"{where}: {self.schema.image} has no bytes; embed the image in the file or remove the row"
                )
            yield where, content

    def _pixels(self, rows: np.ndarray) -> Images:
        shape = self.schema.pixel_shape or ()
        images = torch.empty(0, *shape)
        for place, (where, content) in enumerate(self._contents(rows, PIXELS)):
            if not isinstance(content, bytes) or len(content) != 4 * math.prod(shape):
                raise NotbugsError(
                    f"{where}: {PIXELS} is not {'x'.join(map(str, shape))} float32 values; export it again"
                )
            if not place:  # now that the file holds what it says
                images = torch.empty(len(rows), *shape)
            images[place] = torch.from_numpy(np.frombuffer(content, "<f4").astype(np.float32)).view(shape)
        return images

    def _contents(self, rows: np.ndarray, column: str) -> Iterator[tuple[str, bytes | None]]:
        """The bytes in these rows, ascending, and where they were found."""
        first = 0
        for file, wanted in self.rows:
            here = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(wanted))] - first
            first += len(wanted)
            if len(here):
                yield from _contents_of(file, wanted[here], column, self.recent)


def deciding_frame(files: list[Location], schema: ParquetSchema, *, size: int | None) -> Frame:
    """The frame that the first images of these files decide."""
    rows = tuple((file, np.arange(_rows_in(file))) for file in files)
    some = ParquetReader(rows=rows, schema=schema, frame=(0, 0))
    first = np.arange(min(_DECIDE, some.shape[0]))
    return choose_frame(islice(some._encoded(first), _DECIDE), size=size)


def _rows_in(file: Location) -> int:
    with parquet_file(file) as parquet:
        return parquet.metadata.num_rows


def _contents_of(
    file: Location, rows: np.ndarray, name: str, recent: Recent[pa.Array | None]
) -> Iterator[tuple[str, bytes | None]]:
    with parquet_file(file) as parquet:
        if name not in parquet.schema_arrow.names:
            raise NotbugsError(
                f"{file} has no column {name!r}; its columns are {', '.join(parquet.schema_arrow.names)}"
            )
        first = 0
        for group in range(parquet.metadata.num_row_groups):
            of_group = parquet.metadata.row_group(group)
            stop = first + of_group.num_rows
            here = rows[np.searchsorted(rows, first) : np.searchsorted(rows, stop)] - first
            for numbers, column in _columns_of(parquet, file, group, here, name, recent):
                for number, content in zip(numbers, column, strict=True):
                    yield f"{file} row {first + number}", content.as_py()
            first = stop


def _columns_of(
    parquet: pq.ParquetFile,
    file: Location,
    group: int,
    rows: np.ndarray,
    name: str,
    recent: Recent[pa.Array | None],
) -> Iterator[tuple[np.ndarray, pa.Array]]:
    """The wanted rows of a row group, some at a time, with their numbers in it."""
    if not len(rows):
        return

    told = parquet.metadata.row_group(group).total_byte_size
    at_once = max(1, min(_AT_ONCE, _DECODED // max(1, told)))  # each may be the whole group

    def some_rows() -> Iterator[pa.Array]:
        options = {"batch_size": at_once, "row_groups": [group], "columns": [name], "use_threads": False}
        return (batch.column(name) for batch in parquet.iter_batches(**options))

    def whole() -> pa.Array | None:
        """Nothing where it is large after all: in a row group of 3 kB every row may have the same 50 MB."""
        parts, size = [], 0
        for part in some_rows():
            parts.append(part)
            size += part.nbytes
            if size > 2 * _SMALL:
                return None
        return _bytes_in(pa.concat_arrays(parts))

    column = recent.get((file, group, name), whole) if told <= _SMALL else None
    if column is not None:
        for first in range(0, len(rows), _BATCH):
            some = rows[first : first + _BATCH]
            yield some, column.take(pa.array(some))
        return
    start = 0
    for part in some_rows():
        stop = start + len(part)
        some = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
        if len(some):
            yield some, _bytes_in(part).take(pa.array(some - start))
        if stop > rows[-1]:
            return
        start = stop


def _bytes_in(column: pa.Array) -> pa.Array:
    is_struct = pa.types.is_struct(column.type)
    return pc.struct_field(column, "bytes") if is_struct else column  # null has null bytes


def _bytes_of(column: pa.Array | None) -> int:
    return 0 if column is None else column.nbytes


__all__ = ["ParquetReader", "Rows", "deciding_frame", "parquet_file"]
