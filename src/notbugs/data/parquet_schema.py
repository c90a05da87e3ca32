"""Which column of a Parquet file is the image, which the label, and what the classes are called."""

import math
from dataclasses import dataclass, field, fields
from typing import Any, final

import pyarrow as pa

from notbugs.data.labeled import Origin
from notbugs.errors import NotbugsError
from notbugs.foreign import from_json
from notbugs.locations import Location

PIXELS = "pixels"
"""The column of exact float32 pixels (little-endian, CHW) that our own files carry beside 8-bit images."""

LARGEST = 2**31
"""Values of one image: bound on what metadata may ask for."""

_IMAGE_NAMES = ("img", "image")
_LABEL_NAMES = ("label", "fine_label", "labels", "target", "class")


@final
@dataclass(frozen=True, kw_only=True)
class ParquetSchema:
    """What must be known to read a file. `class_names` is None where the labels' own values are the names."""

    image: str
    label: str
    class_names: tuple[str, ...] | None
    pixel_shape: tuple[int, ...] | None = None
    column_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    origin: Origin | None = None


def parquet_schema(schema: pa.Schema, *, file: Location, label: str | None = None) -> ParquetSchema:
    """Find the columns by the Hugging Face features in the metadata, else by type.

    Image: the column that is an Image feature, else a struct with a binary field `bytes`, else a binary
    column (of several the one called `img` or `image`). Label: `label` where given; else, of the ClassLabel
    features, or if there is none of the integer and string columns, the one called label, fine_label,
    labels, target or class (in this order), else the only one. Raises NotbugsError, naming the file, where
    that does not settle it.
    """
    features = _object(_object(_json(schema, b"huggingface").get("info")).get("features"))
    own = _json(schema, b"notbugs")
    own_columns = _object(own.get("columns"))
    images = [name for name in schema.names if _feature(features, name) == "Image"]
    images = images or [field.name for field in schema if _is_image_struct(field.type)]
    images = images or [field.name for field in schema if _is_binary(field.type) and field.name != PIXELS]
    image = _the_one(images, _IMAGE_NAMES, kind="image", schema=schema, file=file)
    if label is not None and label not in schema.names:
        raise NotbugsError(f"{file} has no column {label!r}; its columns are {', '.join(schema.names)}")
    if label is None:
        labels = [name for name in schema.names if _feature(features, name) == "ClassLabel"]
        labels = labels or [f.name for f in schema if _is_class_type(f.type) and f.name not in own_columns]
        label = _the_one(labels, _LABEL_NAMES, kind="label", schema=schema, file=file)
    names = features[label].get("names") if _feature(features, label) == "ClassLabel" else None
    if names is not None and not (
        isinstance(names, list) and all(isinstance(one, str | int) for one in names)
    ):
        raise NotbugsError(
            f"{file}: its metadata name the classes of {label!r} {str(names)[:80]}, expected a list"
        )
    return ParquetSchema(
        image=image,
        label=label,
        class_names=tuple(map(str, names)) if names else None,
        pixel_shape=_shape(own["shape"], file, 3) if PIXELS in schema.names and "shape" in own else None,
        column_shapes={
            name: _shape(shape, file) for name, shape in own_columns.items() if name in schema.names
        },
        origin=_origin(own.get("origin")),
    )


def _origin(record: Any) -> Origin | None:
    if not isinstance(record, dict) or "name" not in record:
        return None
    known = {field.name for field in fields(Origin)}  # a later version may have more
    kinds = {name: dict if name == "recipe" else str for name in known}
    told = {name: value for name, value in record.items() if name in known}
    return Origin(**told) if all(isinstance(value, kinds[name]) for name, value in told.items()) else None


def _json(schema: pa.Schema, key: bytes) -> dict[str, Any]:
    try:
        return _object(from_json((schema.metadata or {}).get(key, b"{}")))
    except ValueError:  # foreign metadata is a hint, never a reason to fail
        return {}


def _object(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _shape(found: Any, file: Location, dimensions: int | None = None) -> tuple[int, ...]:
    """Of an image or a row of a column, as our own metadata say it."""
    counts = found if isinstance(found, list) else [None]
    is_shape = all(type(count) is int and count > 0 for count in counts) and math.prod(counts) <= LARGEST
    if not is_shape or dimensions not in (None, len(counts)):
        raise NotbugsError(
            f"{file}: its metadata say the shape {str(found)[:80]}, which is none; export it again"
        )
    return tuple(counts)


def _feature(features: dict[str, Any], name: str) -> str:
    feature = features.get(name)
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_image_struct(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and any(f.name == "bytes" and _is_binary(f.type) for f in kind.fields)


def _is_class_type(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        test(kind)
        for test in (pa.types.is_integer, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string)
    )


def _the_one(
    found: list[str], preferred: tuple[str, ...], *, kind: str, schema: pa.Schema, file: Location
) -> str:
    for name in preferred:
        if name in found:
            return name
    if len(found) == 1:
        return found[0]
    columns = f"its columns are {', '.join(schema.names)}"
    if not found:
        raise NotbugsError(f"{file} has no {kind} column ({columns}); name one {' or '.join(preferred)}")
    raise NotbugsError(
        f"{file} has several columns that could be the {kind}: {', '.join(found)}; "
        f"name the right one {preferred[0]!r}"
    )
