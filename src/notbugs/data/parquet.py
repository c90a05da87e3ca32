"""Labelled images in Parquet, as the Hugging Face hub keeps them, read with pyarrow and Pillow alone."""

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.parquet_files import split_files
from notbugs.data.parquet_reader import ParquetReader, Rows, deciding_frame, parquet_file
from notbugs.data.parquet_schema import PIXELS, ParquetSchema, parquet_schema
from notbugs.data.splits import every_fifth
from notbugs.data.stored import read_or_stored
from notbugs.errors import NotbugsError, unknown
from notbugs.locations import Location


def read_parquet(
    path: Location,
    *,
    split: str = "train",
    classes: Sequence[str] | None = None,
    size: int | None = None,
    label_column: str | None = None,
    origin: Origin | None = None,
    stored: bool | None = None,
    for_device: torch.device | str = "cpu",
) -> LabeledImages:
    """The images of a Parquet file, or of all files of one split below a directory.

    How files are told apart by split: `notbugs.data.parquet_files`; files that name no split are divided:
    every 5th row of each class is the test. How columns are found: `notbugs.data.parquet_schema`; without
    class names in the metadata, the sorted values of the label column are the classes. `classes`: only
    these, renumbered in that order (no other image is decoded). A column `pixels` that we wrote is
    preferred to the 8-bit image. Numeric columns without nulls become `columns`. How images become RGB of
    one size: `notbugs.data.decoding`; the first 1000 of the training split decide the size, unless `size`
    (pixels) does. `stored`: leave them in the files until they are asked for (`StoredImages`); by default what does
    not fit into memory, also not into that of `for_device`, to which they will go.

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
    frame = None if schema.pixel_shape else deciding_frame(deciders, schema, size=size)
    return LabeledImages(
        images=read_or_stored(
            ParquetReader(rows=tuple(rows), schema=schema, frame=frame), stored=stored, for_device=for_device
        ),
        labels=torch.from_numpy(renumber[labels[keep]]),
        class_names=tuple(class_names[label] for label in wanted),
        origin=origin or schema.origin or Origin(name=path.resolve().stem),
        columns=_columns(tuple(rows), schema),
    )


def _arrow_schema(file: Location) -> pa.Schema:
    with parquet_file(file) as parquet:
        return parquet.schema_arrow


def _read_column(file: Location, name: str) -> pa.ChunkedArray:
    with parquet_file(file) as parquet:
        if name not in parquet.schema_arrow.names:
            raise NotbugsError(
                f"{file} has no column {name!r}, which other files of the data set have; "
                f"its columns are {', '.join(parquet.schema_arrow.names)}"
            )
        column = parquet.read(columns=[name]).column(name)
        return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _labels(
    files: list[Location], schema: ParquetSchema
) -> tuple[tuple[str, ...], dict[Location, np.ndarray]]:
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
    columns: dict[Location, pa.ChunkedArray], schema: ParquetSchema
) -> tuple[tuple[str, ...], dict[Location, np.ndarray]]:
    found = {}
    for file, column in columns.items():
        if pa.types.is_floating(column.type) or pa.types.is_nested(column.type):
            raise NotbugsError(
                f"{file} row 0: {schema.label} is {_first(column)}, "
                "expected an integer or a string; write the column as int64"
            )
        found[file] = np.array(column.to_pylist())
        if found[file].dtype.kind == "i" and found[file].min(initial=0) < 0:
            row = int(np.argmax(found[file] < 0))
            raise NotbugsError(
                f"{file} row {row}: {schema.label} is {found[file][row]}, which usually says: none; "
                "remove the row"
            )
    names, places = np.unique(np.concatenate(list(found.values())), return_inverse=True)
    parts = np.split(places.astype(np.int64), np.cumsum([len(part) for part in found.values()])[:-1])
    return tuple(str(name) for name in names), dict(zip(found, parts, strict=True))


def _wanted_classes(
    class_names: tuple[str, ...], classes: Sequence[str] | None, path: Location
) -> np.ndarray:
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


def _columns(rows: Rows, schema: ParquetSchema) -> dict[str, torch.Tensor]:
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
        shape = schema.column_shapes.get(field.name, ())
        if len(values) != sum(len(wanted) for _, wanted in rows) * math.prod(shape):
            raise NotbugsError(f"{rows[0][0]}: {field.name} is not {shape} values a row; export it again")
        found[field.name] = torch.from_numpy(values).view(-1, *shape)
    return found


def _flat(column: pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no chunks at all
        return column.to_numpy()
    return (array.flatten() if pa.types.is_fixed_size_list(array.type) else array).to_numpy(
        zero_copy_only=False
    )
