"""Parquet files that lie."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.valid import picture, table

from malformed.entry import TRAIN, Entry, changed, cut, family, flipped, raw

TRAINED = (*TRAIN, "--data", "parquet:bad.parquet")
DEEP = "[" * 100_000 + "]" * 100_000
N = 10


def written(found, **options):
    stream = io.BytesIO()
    pq.write_table(found, stream, **options)
    return stream.getvalue()


def of(img=None, label=None, metadata=None, **more):
    """A table of these columns; None: as they should be."""
    base = table(N)
    columns = {
        "img": base["img"] if img is None else img,
        "label": base["label"] if label is None else label,
        **more,
    }
    made = pa.table({name: column for name, column in columns.items() if column is not False})
    return written(made.replace_schema_metadata(base.schema.metadata if metadata is None else metadata))


def repeated(content, times):
    """A file that holds one picture once, and says it in every row."""
    pictures = pa.DictionaryArray.from_arrays(pa.array([0] * times), pa.array([content]))
    images = pa.StructArray.from_arrays([pictures, pa.nulls(times, pa.string())], ["bytes", "path"])
    found = pa.table({"img": images, "label": [0, 1] * (times // 2)})
    return written(found, compression="zstd", store_schema=False)


def telling(**metadata):
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}


def features(**named):
    return telling(huggingface={"info": {"features": named}})


IMAGE, NAMES = {"_type": "Image"}, {"_type": "ClassLabel", "names": ["cat", "dog"]}
PICTURES = [picture(shade=number) for number in range(N)]
PLAIN = {"": ""}
PIXELS = pa.array([np.zeros(3 * 8 * 8, "<f4").tobytes()] * N)
OWN = {"shape": [3, 8, 8]}


def own(**changes):
    return telling(notbugs={**OWN, **changes})


BYTES = {
    "empty": b"",
    "text": b"label,image\n1,a.png\n",
    "magic alone": b"PAR1",
    "magic twice": b"PAR1PAR1",
    "a footer larger than the file": b"PAR1" + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
    "a footer of zeros": b"PAR1" + bytes(100) + (100).to_bytes(4, "little") + b"PAR1",
    "encrypted": b"PARE" + bytes(40) + b"PARE",
}

TABLES = {
    "no image column": lambda: of(img=False),
    "no label column": lambda: of(label=False),
    "no column": lambda: written(pa.table({})),
    "no row": lambda: written(table(N).slice(0, 0)),
    "one row": lambda: written(table(1)),
    "paths instead of bytes": lambda: of(img=[{"bytes": None, "path": "/etc/passwd"}] * N),
    "paths without bytes": lambda: of(img=pa.array([{"path": "/etc/passwd"}] * N)),
    "image as text": lambda: of(img=["/etc/passwd"] * N),
    "image as numbers": lambda: of(img=list(range(N))),
    "image as lists": lambda: of(img=[[1, 2]] * N),
    "image as bytes": lambda: of(img=[b"no image"] * N),
    "image of empty bytes": lambda: of(img=[b""] * N),
    "bytes as text": lambda: of(img=[{"bytes": "text", "path": ""}] * N),
    "bytes as numbers": lambda: of(img=[{"bytes": 7, "path": ""}] * N),
    "one null image": lambda: of(img=[*PICTURES[1:], None]),
    "one image cut": lambda: of(img=[*PICTURES[1:], PICTURES[0][:90]]),
    "one image SVG": lambda: of(img=[*PICTURES[1:], b"<svg onload='alert(1)'/>"]),
    "null labels": lambda: of(label=[None, *[0] * (N - 1)]),
    "only null labels": lambda: of(label=pa.array([None] * N, pa.int64())),
    "labels of type null": lambda: of(label=pa.nulls(N)),
    "one picture of 100 MB in every row": lambda: repeated(bytes(100_000_000), 100),
    "labels above the classes": lambda: of(label=[0, 1, 2] * 3 + [9]),
    "labels below zero": lambda: of(label=[-1] * N),
    "labels beyond 63 bits": lambda: of(label=pa.array([2**64 - 1] * N, pa.uint64())),
    "labels as floats": lambda: of(label=[0.5] * N),
    "labels as text": lambda: of(label=["cat", "dog"] * 5),
    "labels as lists": lambda: of(label=[[1]] * N),
    "labels as bytes": lambda: of(label=[b"cat"] * N),
    "labels as dates": lambda: of(label=pa.array([7] * N, pa.timestamp("s"))),
    "labels as decimals": lambda: of(label=pa.array([7] * N).cast(pa.decimal128(30, 2))),
    "labels of one class without names": lambda: of(label=[7] * N, metadata=features(img=IMAGE)),
    "labels below zero without names": lambda: of(label=[-1, 0] * 5, metadata=features(img=IMAGE)),
    "labels as lists without names": lambda: of(label=[[7]] * N, metadata=features(img=IMAGE)),
    "labels as dates without names": lambda: of(
        label=pa.array([7, 8] * 5, pa.timestamp("s")), metadata=features(img=IMAGE)
    ),
    "labels as bytes without names": lambda: of(label=[b"\xff", b"a"] * 5, metadata=features(img=IMAGE)),
    "two columns of one name": lambda: written(
        pa.Table.from_arrays([table(N)["img"], table(N)["label"], table(N)["label"]], ["img", "label", "label"])
    ),
    "metadata nested deeply": lambda: of(metadata={"huggingface": DEEP, "x": ""}, label=["a"] * N),
    "metadata that is no UTF-8": lambda: of(metadata={"huggingface": b"\xff\xfe"}, label=[2.5] * N),
    "info that is a list": lambda: of(metadata=telling(huggingface={"info": []}), label=[2.5] * N),
    "info that is null": lambda: of(metadata=telling(huggingface={"info": None}), label=[2.5] * N),
    "features that are a list": lambda: of(metadata=telling(huggingface={"info": {"features": [1]}}),
    label=[2.5] * N),
    "features that are text": lambda: of(metadata=telling(huggingface={"info": {"features": "img"}}),
    label=[2.5] * N),
    "names that are a number": lambda: of(metadata=features(img=IMAGE, label={**NAMES, "names": 7})),
    "names that are text": lambda: of(metadata=features(img=IMAGE, label={**NAMES, "names": "c"})),
    "names that are an object": lambda: of(metadata=features(img=IMAGE, label={**NAMES, "names": {"0": "a"}})),
    "names of objects": lambda: of(metadata=features(img=IMAGE, label={**NAMES, "names": [{}]})),
    "fewer names than labels": lambda: of(metadata=features(img=IMAGE, label={**NAMES, "names": ["cat"]})),
    "names twice the same": lambda: of(
        metadata=features(img=IMAGE, label={**NAMES, "names": ["cat"]}), label=[1] * N
    ),
    "an image feature that is a number": lambda: of(metadata=features(weight=IMAGE), img=False, weight=[1] * N),
    "a label feature of another column": lambda: of(metadata=features(img=IMAGE, other=NAMES), label=False),
    "own metadata that is a list": lambda: of(img=False, metadata=telling(notbugs=[1])),
    "own columns that are a list": lambda: of(img=False, metadata=own(columns=["label"])),
    "own columns that are a number": lambda: of(img=[b""] * N, metadata=own(columns=7)),
    "own shape that is a number": lambda: of(pixels=PIXELS, metadata=own(shape=7)),
    "own shape of text": lambda: of(pixels=PIXELS, metadata=own(shape=["a", "b", "c"])),
    "own shape of two": lambda: of(pixels=PIXELS, metadata=own(shape=[3, 8])),
    "own shape of none": lambda: of(pixels=PIXELS, metadata=own(shape=[])),
    "own shape below zero": lambda: of(pixels=PIXELS, metadata=own(shape=[-3, -8, 8])),
    "own shape of floats": lambda: of(pixels=PIXELS, metadata=own(shape=[3.0, 8.0, 8.0])),
    "own shape gigantic": lambda: of(pixels=PIXELS, metadata=own(shape=[3, 2**30, 2**30])),
    "own shape beyond 63 bits": lambda: of(pixels=PIXELS, metadata=own(shape=[3, 10**30, 1])),
    "own shape of null": lambda: of(pixels=PIXELS, metadata=own(shape=None)),
    "pixels of another size": lambda: of(pixels=PIXELS, metadata=own(shape=[3, 9, 9])),
    "pixels that are text": lambda: of(pixels=["a" * 768] * N, metadata=own()),
    "pixels that are numbers": lambda: of(pixels=list(range(N)), metadata=own()),
    "pixels of NaN": lambda: of(pixels=[np.full(192, np.nan, "<f4").tobytes()] * N, metadata=own()),
    "pixels above 1": lambda: of(pixels=[np.full(192, 7, "<f4").tobytes()] * N, metadata=own()),
    "own column shapes that do not fit": lambda: of(
        box=pa.array([[1, 2, 3, 4]] * N, pa.list_(pa.int64(), 4)), metadata=own(columns={"box": [3]})
    ),
    "own column shapes of text": lambda: of(
        box=pa.array([[1, 2, 3, 4]] * N, pa.list_(pa.int64(), 4)), metadata=own(columns={"box": "4"})
    ),
    "own column shapes of numbers": lambda: of(box=[1] * N, metadata=own(columns={"box": 4})),
}  # fmt: skip

HARMLESS = {
    "an origin that is a number": lambda: of(metadata=own(origin=7)),
    "an origin of numbers": lambda: of(metadata=own(origin={"name": 7, "recipe": "fog", "licence": []})),
    "an origin that names code": lambda: of(
        metadata=own(
            origin={"name": "os:system", "recipe": {"factory": "os:system"}, "model": "builtins:exec"}
        )
    ),
    "an origin with a path": lambda: of(metadata=own(origin={"name": "../../../evil/\x1b[31m\n<script>"})),
    "a column of unsigned 64 bits": lambda: of(other=pa.array([2**64 - 1] * N, pa.uint64())),
    "a column of half floats": lambda: of(other=np.zeros(N, np.float16)),
    "a column of unsigned 16 bits": lambda: of(other=np.zeros(N, np.uint16)),
}
"""Odd, and yet readable."""


READABLE = ("one row", "labels of one class without names", "metadata nested deeply")


def _trained(name, content):
    codes = (0, 2) if name.removeprefix("parquet: ") in READABLE else (2,)
    return Entry(name, raw("bad.parquet", content), TRAINED, codes)


ENTRIES = [
    *family("parquet", BYTES.items(), _trained),
    *family(
        "parquet",
        [
            *((f"cut at {share}", cut(share)) for share in (0.1, 0.5, 0.9, 0.999)),
            *((f"byte {place} changed", flipped(place)) for place in (-1, -5, -9, -40, -80)),
        ],
        lambda name, change: Entry(
            name, changed("table.parquet", "bad.parquet", change), TRAINED, (0, 2) if "-40" in name else (2,)
        ),
    ),
    *family("parquet", TABLES.items(), lambda name, make: _trained(name, make())),
    *family(
        "parquet",
        HARMLESS.items(),
        lambda name, make: Entry(name, raw("bad.parquet", make()), TRAINED, codes=(0, 2)),
    ),
]
