"""A data set for others: Parquet in the Hugging Face layout, a folder of images, or .npz."""

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from notbugs.data.card import dataset_card
from notbugs.data.eight_bit import AT_ONCE, eight_bit, folder_names, is_exact, png, write_pngs
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.parquet_schema import PIXELS
from notbugs.errors import NotbugsError, unknown
from notbugs.files import appearing

Kind = Literal["parquet", "imagefolder", "npz"]


def export(data: LabeledImages, path: str | Path, kind: Kind, *, split: str = "train") -> Path:
    """Write `data` into the new directory `path`, with a data set card README.md, and return `path`.

    * `parquet`: `data/SPLIT-00000-of-00001.parquet` with columns `img` (8-bit PNG) and `label`, every further
      column, and the Hugging Face features, for `datasets.load_dataset(path)`. Where 8 bits would round, a
      column `pixels` has the exact float32 values: `read_parquet` gives back what was written, bit for bit.
    * `imagefolder`: `SPLIT/CLASS/000000.png`, numbered by row, **rounded to 8 bits**.
    * `npz`: `SPLIT.npz` with `images` (float32), `labels`, `class_names`, `origin` (JSON) and `column.NAME`.

    `split` is the name that the files get. The directory appears complete or not at all. Raises NotbugsError
    if `path` exists and is not an empty directory, and for data that the format cannot hold.

    >>> import tempfile
    >>> from notbugs import load
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     written = export(load("digits").first(10), f"{directory}/digits", "npz")
    ...     sorted(path.name for path in written.iterdir())
    ['README.md', 'train.npz']
    """
    writers = {"parquet": _write_parquet, "imagefolder": _write_folder, "npz": _write_npz}
    if kind not in writers:
        raise unknown("export kind", kind, writers)
    if not re.fullmatch(r"\w+", split):
        raise NotbugsError(f"split {split!r} becomes a file name; use letters and digits, as in 'train'")
    data, path = data.to("cpu"), Path(path)
    with appearing(path) as directory:
        exact = writers[kind](data, directory, split)
        card = dataset_card(data, kind=kind, split=split, exact=exact)
        (directory / "README.md").write_text(card, encoding="utf-8")
    return path


def _write_parquet(data: LabeledImages, directory: Path, split: str) -> bool:
    bytes_ = eight_bit(data.images)
    exact = bytes_.shape[1] == 3 and is_exact(bytes_, data.images)  # what is not RGB would come back as RGB
    fields = [
        pa.field("img", pa.struct({"bytes": pa.binary(), "path": pa.string()})),
        pa.field("label", pa.int64()),
    ]
    features: dict[str, Any] = {
        "img": {"_type": "Image"},
        "label": {"names": list(data.class_names), "_type": "ClassLabel"},
    }
    if not exact:
        fields.append(pa.field(PIXELS, pa.binary()))
        features[PIXELS] = {"dtype": "binary", "_type": "Value"}
    columns = {name: _array(name, column) for name, column in data.columns.items()}
    for name, column in columns.items():
        if name in features:
            raise NotbugsError(
                f"{data.origin.name}: Parquet has a column {name!r} of its own; rename this one"
            )
        fields.append(pa.field(name, column.type))
        features[name] = _feature(column.type)
    own: dict[str, Any] = {
        "origin": _record(data.origin),
        "columns": {name: list(column.shape[1:]) for name, column in data.columns.items()},
    }
    if not exact:
        own["shape"] = list(data.images.shape[1:])
    schema = pa.schema(
        fields,
        metadata={
            "huggingface": json.dumps({"info": {"features": features}}),
            "notbugs": json.dumps(own, default=str),
        },
    )
    (directory / "data").mkdir()
    with pq.ParquetWriter(directory / "data" / f"{split}-00000-of-00001.parquet", schema) as writer:
        for start in range(0, len(data), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            images = [{"bytes": png(pixels), "path": None} for pixels in bytes_[rows]]
            arrays = [pa.array(images, fields[0].type), pa.array(data.labels[rows].numpy(), pa.int64())]
            if not exact:
                arrays.append(
                    pa.array([p.astype("<f4").tobytes() for p in data.images[rows].numpy()], pa.binary())
                )
            arrays += [column[rows] for column in columns.values()]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    return exact


def _record(origin: Origin) -> dict[str, Any]:
    return {**vars(origin), "recipe": dict(origin.recipe)}


def _values(name: str, column: torch.Tensor) -> np.ndarray:
    try:
        return column.contiguous().numpy()
    except TypeError as error:  # bfloat16
        raise NotbugsError(
            f"column {name!r} is {column.dtype}, which files do not hold; use float32"
        ) from error


def _array(name: str, column: torch.Tensor) -> pa.Array:
    """One value per image; more dimensions as fixed-size lists, their shape kept in the metadata."""
    values = _values(name, column)
    flat = pa.array(values.reshape(-1))
    return (
        flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, int(np.prod(values.shape[1:])))
    )


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "Sequence"}
    names = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}


def _write_folder(data: LabeledImages, directory: Path, split: str) -> bool:
    bytes_ = eight_bit(data.images)
    names = folder_names(data.class_names)
    for name in names:
        (directory / split / name).mkdir(parents=True)
    folders = [directory / split / names[label] for label in data.labels.tolist()]
    write_pngs(bytes_, folders, first=0, of=len(data))
    return bytes_.shape[1] == 3 and is_exact(bytes_, data.images)


def _write_npz(data: LabeledImages, directory: Path, split: str) -> bool:
    np.savez_compressed(
        directory / f"{split}.npz",
        allow_pickle=False,
        images=data.images.numpy(),
        labels=data.labels.numpy(),
        class_names=np.array(data.class_names, dtype=str),
        origin=np.array(json.dumps(_record(data.origin), default=str)),
        **{f"column.{name}": _values(name, column) for name, column in data.columns.items()},
    )
    return True
