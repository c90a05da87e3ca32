"""Labelled images in Parquet, as the Hugging Face hub keeps them, read with pyarrow and Pillow alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from notbugs.data.decoding import Encoded, choose_frame, decode_images
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.parquet_files import split_files
from notbugs.data.parquet_schema import PIXELS, ParquetSchema, parquet_schema
from notbugs.data.splits import every_fifth
from notbugs.errors import NotbugsError, unknown

_DECIDE = 1000  # first images of the training split that decide the frame
_BATCH = 1000

_Rows = list[tuple[Path, np.ndarray]]  # of each file the rows that are wanted, ascending


def read_parquet(
    path: Path,
    *,
    split: str = "train",
    classes: Sequence[str] | None = None,
    size: int | None = None,
    label_column: str | None = None,
    origin: Origin | None = None,
) -> LabeledImages:
    """The images of a Parquet file, or of all files of one split below a directory.

    How files are told apart by split: `notbugs.data.parquet_files`; files that name no split are divided:
    every 5th row of each class is the test. How columns are found: `notbugs.data.parquet_schema`; without
    class names in the metadata, the sorted values of the label column are the classes. `classes`: only
    these, renumbered in that order (no other image is decoded). A column `pixels` that we wrote is
    preferred to the 8-bit image. Numeric columns without nulls become `columns`. How images become RGB of
    one size: `notbugs.data.decoding`; the first 1000 of the training split decide the size, unless `size`
    (pixels) does.

    Raises NotbugsError, naming file and row, for whatever does not read as a labelled image.
    """
    by_split, files = split_files(path, split=split)
    schema = parquet_schema(_arrow_schema(files[0]), file=files[0], label=label_column)
    class_names, labels_of = _labels([f for group in by_split.values() for f in group], schema)
    wanted = _wanted_classes(class_names, classes, path)
    labels = np.concatenate([labels_of[file] for file in files])
    keep = np.isin(labels, wanted)
    if set(by_split) == {""}:
        divided = np.zeros(len(labels), bool)
        divided[every_fifth(labels, split=split)] = True
        keep &= divided
    if not keep.any():
        raise NotbugsError(
            f"{path}: no image in the {split} split; expected at least one of {', '.join(class_names)}"
        )
    renumber = np.full(len(class_names), -1)
    renumber[wanted] = np.arange(len(wanted))
    rows, start = [], 0
    for file in files:
        stop = start + len(labels_of[file])
        rows.append((file, np.flatnonzero(keep[start:stop])))
        start = stop
    deciders = by_split.get("train") or files
    return LabeledImages(
        images=_pixels(rows, schema) if schema.pixel_shape else _images(rows, schema, deciders, size=size),
        labels=torch.from_numpy(renumber[labels[keep]]),
        class_names=tuple(class_names[label] for label in wanted),
        origin=origin or schema.origin or Origin(name=path.resolve().stem),
        columns=_columns(rows, schema),
    )


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise NotbugsError(
            f"{file} does not read as Parquet ({' '.join(str(error).split())[:200]}); fetch or write it again"
        ) from error


def _arrow_schema(file: Path) -> pa.Schema:
    with _reading(file):
        return pq.read_schema(file)


def _read_column(file: Path, name: str) -> pa.ChunkedArray:
    with _reading(file), pq.ParquetFile(file) as parquet:
        if name not in parquet.schema_arrow.names:
            raise NotbugsError(
                f"{file} has no column {name!r}, which other files of the data set have; "
                f"its columns are {', '.join(parquet.schema_arrow.names)}"
            )
        column = parquet.read(columns=[name]).column(name)
        return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _labels(files: list[Path], schema: ParquetSchema) -> tuple[tuple[str, ...], dict[Path, np.ndarray]]:
    """Class names, and the label of each row of each file as its place among them."""
    columns = {file: _read_column(file, schema.label) for file in files}
    for file, column in columns.items():
        if column.null_count:
            row = pc.index(column.is_null(), True).as_py()
            raise NotbugsError(
                f"{file} row {row}: {schema.label} is null, expected a class; label it or remove it"
            )
    if schema.class_names is None:
        return _named_by_value(columns, schema)
    values = {}
    for file, column in columns.items():
        if not pa.types.is_integer(column.type):
            raise NotbugsError(
                f"{file} row 0: {schema.label} is {_first(column)}, expected an integer from 0 to "
                f"{len(schema.class_names) - 1}; write the column as int64"
            )
        found = column.to_numpy().astype(np.int64)
        bad = np.flatnonzero((found < 0) | (found >= len(schema.class_names)))
        if len(bad):
            raise NotbugsError(
                f"{file} row {bad[0]}: {schema.label} is {found[bad[0]]}, "
                f"expected 0 to {len(schema.class_names) - 1} for {len(schema.class_names)} classes; "
                "correct it or remove the row"
            )
        values[file] = found
    return schema.class_names, values


def _first(column: pa.ChunkedArray) -> str:
    return str(column[0].as_py() if len(column) else column.type)


def _named_by_value(
    columns: dict[Path, pa.ChunkedArray], schema: ParquetSchema
) -> tuple[tuple[str, ...], dict[Path, np.ndarray]]:
    found = {}
    for file, column in columns.items():
        if pa.types.is_floating(column.type) or pa.types.is_nested(column.type):
            raise NotbugsError(
                f"{file} row 0: {schema.label} is {_first(column)}, "
                "expected an integer or a string; write the column as int64"
            )
        found[file] = np.array(column.to_pylist())
    names, places = np.unique(np.concatenate(list(found.values())), return_inverse=True)
    parts = np.split(places.astype(np.int64), np.cumsum([len(part) for part in found.values()])[:-1])
    return tuple(str(name) for name in names), dict(zip(found, parts, strict=True))


def _wanted_classes(class_names: tuple[str, ...], classes: Sequence[str] | None, path: Path) -> np.ndarray:
    if classes is None:
        return np.arange(len(class_names))
    for name in classes:
        if name not in class_names:
            raise unknown("class", name, class_names)
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise NotbugsError(
            f"{path}: {','.join(classes)} are not two or more different classes; name each once"
        )
    return np.array([class_names.index(name) for name in classes])


def _batches(file: Path, rows: np.ndarray, columns: list[str]) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """The wanted rows of a file, some at a time, with their row numbers."""
    with _reading(file), pq.ParquetFile(file) as parquet:
        for name in columns:
            if name not in parquet.schema_arrow.names:
                raise NotbugsError(
                    f"{file} has no column {name!r}; its columns are {', '.join(parquet.schema_arrow.names)}"
                )
        start = 0
        for batch in parquet.iter_batches(batch_size=_BATCH, columns=columns):
            stop = start + len(batch)
            here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
            if len(here):
                yield here, batch.take(pa.array(here - start))
            start = stop


def _encoded(rows: _Rows, schema: ParquetSchema) -> Iterator[Encoded]:
    for file, wanted in rows:
        for numbers, batch in _batches(file, wanted, [schema.image]):
            column = batch.column(schema.image)
            if pa.types.is_struct(column.type):
                column = pc.struct_field(column, "bytes")  # a null struct has null bytes
            for number, content in zip(numbers, column.to_pylist(), strict=True):
                if content is None:
                    raise NotbugsError(
                        f"{file} row {number}: {schema.image} has no bytes; "
                        "embed the image in the file or remove the row"
                    )
                yield f"{file} row {number}", content


def _images(rows: _Rows, schema: ParquetSchema, deciders: list[Path], *, size: int | None) -> torch.Tensor:
    everything: _Rows = [(file, np.arange(_DECIDE)) for file in deciders]
    frame = choose_frame(islice(_encoded(everything, schema), _DECIDE), size=size)
    return decode_images(_encoded(rows, schema), count=sum(len(wanted) for _, wanted in rows), frame=frame)


def _pixels(rows: _Rows, schema: ParquetSchema) -> torch.Tensor:
    shape = schema.pixel_shape or ()
    images = torch.empty(sum(len(wanted) for _, wanted in rows), *shape)
    filled = 0
    for file, wanted in rows:
        for numbers, batch in _batches(file, wanted, [PIXELS]):
            for number, content in zip(numbers, batch.column(PIXELS).to_pylist(), strict=True):
                if content is None or len(content) != 4 * images[0].numel():
                    raise NotbugsError(
                        f"{file} row {number}: {PIXELS} is not {'x'.join(map(str, shape))} float32 values; "
                        "export it again"
                    )
                images[filled] = torch.from_numpy(np.frombuffer(content, "<f4").astype(np.float32)).view(
                    shape
                )
                filled += 1
    return images


def _columns(rows: _Rows, schema: ParquetSchema) -> dict[str, torch.Tensor]:
    """The other numeric columns; those of more dimensions only where our own metadata has their shape."""
    found = {}
    for field in _arrow_schema(rows[0][0]):
        if field.name in (schema.image, schema.label, PIXELS):
            continue
        kind = field.type.value_type if pa.types.is_fixed_size_list(field.type) else field.type
        shaped = field.name in schema.column_shapes
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            continue
        if kind != field.type and not shaped:
            continue
        parts = [_read_column(file, field.name).take(pa.array(wanted)) for file, wanted in rows]
        if any(part.null_count for part in parts):
            continue
        values = np.concatenate([np.asarray(_flat(part)) for part in parts])
        found[field.name] = torch.from_numpy(values).view(-1, *schema.column_shapes.get(field.name, ()))
    return found


def _flat(column: pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no chunks at all
        return column.to_numpy()
    return (array.flatten() if pa.types.is_fixed_size_list(array.type) else array).to_numpy(
        zero_copy_only=False
    )
