"""Which column of a Parquet file is the image, which the label, and what the classes are called."""

import json
from dataclasses import dataclass, field, fields
from typing import Any, final

import pyarrow as pa

from notbugs.data.labeled import Origin
from notbugs.errors import NotbugsError
from notbugs.locations import Location

PIXELS = "pixels"
"""The column of exact float32 pixels (little-endian, CHW) that our own files carry beside 8-bit images."""

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
    features = _json(schema, b"huggingface").get("info", {}).get("features", {})
    own = _json(schema, b"notbugs")
    images = [name for name in schema.names if _feature(features, name) == "Image"]
    images = images or [field.name for field in schema if _is_image_struct(field.type)]
    images = images or [field.name for field in schema if _is_binary(field.type) and field.name != PIXELS]
    image = _the_one(images, _IMAGE_NAMES, kind="image", schema=schema, file=file)
    if label is not None and label not in schema.names:
        raise NotbugsError(f"{file} has no column {label!r}; its columns are {', '.join(schema.names)}")
    if label is None:
        labels = [name for name in schema.names if _feature(features, name) == "ClassLabel"]
        labels = labels or [
            f.name for f in schema if _is_class_type(f.type) and f.name not in own.get("columns", {})
        ]
        label = _the_one(labels, _LABEL_NAMES, kind="label", schema=schema, file=file)
    names = features.get(label, {}).get("names") if _feature(features, label) == "ClassLabel" else None
    return ParquetSchema(
        image=image,
        label=label,
        class_names=tuple(map(str, names)) if names else None,
        pixel_shape=tuple(own["shape"]) if PIXELS in schema.names and "shape" in own else None,
        column_shapes={
            name: tuple(shape) for name, shape in own.get("columns", {}).items() if name in schema.names
        },
        origin=_origin(own.get("origin")),
    )


def _origin(record: Any) -> Origin | None:
    if not isinstance(record, dict) or "name" not in record:
        return None
    known = {field.name for field in fields(Origin)}  # a later version may have more
    return Origin(**{name: value for name, value in record.items() if name in known})


def _json(schema: pa.Schema, key: bytes) -> dict[str, Any]:
    try:
        found = json.loads((schema.metadata or {}).get(key, b"{}"))
    except ValueError:  # foreign metadata is a hint, never a reason to fail
        return {}
    return found if isinstance(found, dict) else {}


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
