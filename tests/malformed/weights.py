"""Models, shards and checkpoints: safetensors files that lie."""

import io
import json
import pickle
import zipfile

import torch

from malformed.entry import (
    BUILD,
    COURSE,
    Entry,
    both,
    changed,
    copied,
    cut,
    family,
    flipped,
    header,
    raw,
    redigested,
    retensored,
)

DIGITS = ("--data", "digits")
DEEP = "[" * 100_000 + "]" * 100_000
F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"weights": 1}))
    return stream.getvalue()


def telling(**tensors: object) -> str:
    return json.dumps(tensors)


BYTES = {
    "empty": b"",
    "seven bytes": bytes(7),
    "a length and nothing": header("", length=8),
    "a header of no length": header(""),
    "a header longer than the file": header("{}", length=1000),
    "a header of 2^63 bytes": header("{}", length=2**63),
    "a header of all ones": header("{}", length=2**64 - 1),
    "a header of 99 MB": header("{}", length=99_000_000),
    "a header that is no JSON": header("weights!"),
    "a header that is a list": header("[1, 2]"),
    "a header that is a number": header("7"),
    "a header that is null": header("null"),
    "a header that is not UTF-8": header(b"\xff\xfe{}"),
    "a header nested deeply": header(DEEP),
    "a tensor nested deeply": header('{"a": ' + DEEP + "}"),
    "no tensor": header("{}"),
    "no shape": header(telling(a={"dtype": "F32", "data_offsets": [0, 4]}), bytes(4)),
    "an unknown type": header(telling(a={**F32, "dtype": "F31"}), bytes(4)),
    "a type that is a number": header(telling(a={**F32, "dtype": 32}), bytes(4)),
    "a negative shape": header(telling(a={**F32, "shape": [-1]}), bytes(4)),
    "a gigantic shape": header(telling(a={**F32, "shape": [2**40, 2**40]}), bytes(4)),
    "a shape that is text": header(telling(a={**F32, "shape": "1"}), bytes(4)),
    "offsets that overlap": header(telling(a=F32, b={**F32, "data_offsets": [2, 6]}), bytes(6)),
    "offsets outside of the file": header(telling(a={**F32, "data_offsets": [10**9, 10**9 + 4]}), bytes(4)),
    "offsets the other way round": header(telling(a={**F32, "data_offsets": [4, 0]}), bytes(4)),
    "offsets below zero": header(telling(a={**F32, "data_offsets": [-4, 0]}), bytes(4)),
    "a gap": header(telling(a={**F32, "data_offsets": [4, 8]}), bytes(8)),
    "bytes that nobody names": header(telling(a=F32), bytes(400)),
    "the same name twice": header('{"a": %s, "a": %s}' % ((json.dumps(F32),) * 2), bytes(4)),
    "metadata that is a number": header(telling(__metadata__=7, a=F32), bytes(4)),
    "metadata of numbers": header(telling(__metadata__={"notbugs.spec": 7}, a=F32), bytes(4)),
    "a zip": zipped(),
    "a pickle": pickle.dumps({"weights": [1, 2]}),
    "a pickle that calls": b"cos\nsystem\n(S'touch called'\ntR.",
    "an old pickle of torch": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
    "Python": b"import os\nos.system('touch called')\n",
}

SPECS = {
    "no JSON": "convnet",
    "a list": "[]",
    "null": "null",
    "nested deeply": DEEP,
    "an unknown network": '{"arch": "resnet17", "classes": 10}',
    "a path as network": '{"arch": "../../etc/passwd", "classes": 10}',
    "code as network": '{"arch": "os:system", "classes": 10}',
    "a module as network": '{"arch": "builtins:exec", "classes": 10}',
    "no network": '{"classes": 10}',
    "an unknown field": '{"arch": "convnet", "classes": 10, "factory": "os:system"}',
    "a gigantic number of classes": '{"arch": "convnet", "classes": 1000000000000}',
    "many classes of a wide network": '{"arch": "convnet-1-1-1-99999", "classes": 1048576}',
    "a number of 5000 digits": '{"arch": "convnet", "classes": %s}' % ("9" * 5000),
    "a gigantic network": '{"arch": "wrn-994-999", "classes": 10}',
    "a gigantic width": '{"arch": "densenet-9999", "classes": 10}',
    "gigantic images": '{"arch": "linear", "classes": 1048576, "image_size": 1048576}',
    "gigantic images of resnet": '{"arch": "resnet50-9999", "classes": 10, "image_size": 1048576}',
    "a depth of words": '{"arch": "wrn-a-b", "classes": 10}',
    "a width of foreign digits": '{"arch": "wrn-١٦-٢", "classes": 10}',
    "no class": '{"arch": "convnet", "classes": 0}',
    "classes true": '{"arch": "convnet", "classes": true}',
    "classes as text": '{"arch": "convnet", "classes": "10"}',
    "classes 10.5": '{"arch": "convnet", "classes": 10.5}',
    "a network that is a list": '{"arch": ["convnet"], "classes": 10}',
    "a mean that is text": '{"arch": "convnet", "classes": 10, "mean": "abc"}',
    "a mean that is a number": '{"arch": "convnet", "classes": 10, "mean": 1}',
    "a mean of objects": '{"arch": "convnet", "classes": 10, "mean": [{}, {}, {}]}',
    "a mean of NaN": '{"arch": "convnet", "classes": 10, "mean": [NaN, 0, 0]}',
    "a mean beyond floats": '{"arch": "convnet", "classes": 10, "mean": [%s, 0, 0]}' % ("9" * 400),
    "a deviation of 0": '{"arch": "convnet", "classes": 10, "std": [0, 1, 1]}',
    "HTML and an escape": '{"arch": "<script>\\u001b[31m\\n", "classes": 10}',
}


def _nan(tensors, metadata):
    tensors["head.weight"][0, 0] = torch.nan


def _infinite(tensors, metadata):
    tensors["head.bias"][0] = -torch.inf


def _transposed(tensors, metadata):
    tensors["head.weight"] = tensors["head.weight"].T.contiguous()


def _integers(tensors, metadata):
    tensors["head.weight"] = tensors["head.weight"].long()


def _booleans(tensors, metadata):
    for name in tensors:
        tensors[name] = tensors[name].bool()


def _complex(tensors, metadata):
    tensors["head.weight"] = tensors["head.weight"].to(torch.complex64)


def _fewer(tensors, metadata):
    del tensors["head.bias"]


def _more(tensors, metadata):
    tensors.update({f"other.{number}\n\x1b[31m": torch.zeros(1) for number in range(1000)})


def _unsaid(tensors, metadata):
    metadata.clear()


def _zero_deviation(tensors, metadata):
    tensors["normalize.std"].zero_()


def _others(tensors, metadata):
    tensors.clear()


CHANGES = {
    "NaN": _nan, "infinity": _infinite, "another shape": _transposed, "integers": _integers, "booleans": _booleans,
    "complex numbers": _complex, "a tensor missing": _fewer, "1000 tensors more": _more, "no spec": _unsaid,
    "a deviation of zero": _zero_deviation, "no tensors at all": _others,
}  # fmt: skip


def _images_at(value):
    def change(tensors, metadata):
        tensors["images"][0, 0, 0, 0] = value

    return change


def _set(name, make):
    def change(tensors, metadata):
        tensors[name] = make(tensors[name])

    return change


def _without(name):
    return lambda tensors, metadata: tensors.pop(name)


def _says(name, value):
    def change(tensors, metadata):
        metadata[name] = value

    return change


SHARDS = {
    "NaN": _images_at(torch.nan),
    "values above 1": _images_at(7.0),
    "no images": _without("images"),
    "no labels": _without("labels"),
    "a column missing": _without("index"),
    "labels out of range": _set("labels", lambda t: t + 100),
    "labels below zero": _set("labels", lambda t: t - 100),
    "labels as floats": _set("labels", lambda t: t.float()),
    "labels of another shape": _set("labels", lambda t: t[:, None].contiguous()),
    "labels without a shape": _set("labels", lambda t: t[0].clone()),
    "fewer labels": _set("labels", lambda t: t[:3].clone()),
    "a column without a shape": _set("index", lambda t: t[0].clone()),
    "a column of another shape": _set("index", lambda t: t[:, None].contiguous()),
    "images in 8 bits": _set("images", lambda t: (255 * t).byte()),
    "images in half precision": _set("images", lambda t: t.half()),
    "images of three dimensions": _set("images", lambda t: t[0].clone()),
    "images without a shape": _set("images", lambda t: t[0, 0, 0, 0].clone()),
    "smaller images": _set("images", lambda t: t[..., :5].contiguous()),
    "another number of channels": _set("images", lambda t: t[:, :1].contiguous()),
    "no image": _set("images", lambda t: t[:0].clone()),
    "images without a side": _set("images", lambda t: t[..., :0].clone()),
    "a digest of another file": _says("sha256", "0" * 64),
}

CHECKPOINTS = {
    "no metadata": lambda tensors, metadata: metadata.clear(),
    "metrics nested deeply": _says("metrics", DEEP),
    "metrics that are no JSON": _says("metrics", "{"),
    "metrics that are a number": _says("metrics", "7"),
    "metrics of words": _says("metrics", '["epoch"]'),
    "metrics with more": _says(
        "metrics", '[{"epoch": 0, "loss": 1, "accuracy": 1, "lr": 1, "factory": "os:system"}]'
    ),
    "metrics of text": _says("metrics", '[{"epoch": "0", "loss": "a", "accuracy": [], "lr": {}}]'),
    "metrics of many epochs": _says(
        "metrics", json.dumps([{"epoch": n, "loss": 1, "accuracy": 1, "lr": 1} for n in range(99)])
    ),
    "metrics of NaN": _says("metrics", '[{"epoch": 0, "loss": NaN, "accuracy": NaN, "lr": NaN}]'),
    "steps that are no number": _says("steps", "many"),
    "steps below zero": _says("steps", "-5"),
    "steps beyond the epoch": _says("steps", "99999999"),
    "steps of 5000 digits": _says("steps", "9" * 5000),
    "another training": _says("identity", "someone else's"),
    "no totals": _without("totals"),
    "totals of another shape": _set("totals", lambda t: t[0, 0].clone()),
    "a digest of another file": _says("sha256", "0" * 64),
    "weights of another shape": _set("model.head.weight", lambda t: t.T.contiguous()),
    "weights without a shape": _set("model.head.weight", lambda t: t[0, 0].clone()),
    "a weight missing": _without("model.head.weight"),
    "weights of NaN": _set("model.head.weight", lambda t: t * torch.nan),
    "weights of complex numbers": _set("model.head.weight", lambda t: t.to(torch.complex64)),
    "momentum of another shape": _set("momentum.head.weight", lambda t: t.T.contiguous()),
    "momentum of NaN": _set("momentum.head.weight", lambda t: t * torch.nan),
}


def _model(name, write):
    return Entry(name, write, (*BUILD, "--model", "bad.safetensors", *DIGITS))


def _shard(name, change):
    shard = retensored("build/shard-00001.safetensors", "set/shard-00001.safetensors", change)
    return Entry(
        name,
        both(copied("build", "set"), shard, redigested("set")),
        ("export", "set", "--to", "npz"),
        codes=(0, 2) if "digest" in name else (2,),
        writes=("set-npz",),
    )


def _first_shard(name, change):
    shard = retensored("build/shard-00000.safetensors", "set/shard-00000.safetensors", change)
    return Entry(
        name,
        both(copied("build", "set"), shard, redigested("set")),
        ("report", "set"),
        codes=(0, 2),
        writes=("set/report.html",),
    )


RESUME = ("train", *COURSE, "--epochs", "1", "--data", "parquet:table.parquet", "--device", "cpu")


def _checkpoint(name, write):
    files = both(copied("table.parquet"), copied("interrupted", "runs"), write)
    is_odd = name.endswith("metrics of NaN")  # a training may have had such a loss
    return Entry(
        name, files, RESUME, (0, 2) if is_odd else (2,), allowed=("removed runs/",) if is_odd else ()
    )


def _of_run(change):
    """The checkpoint of the interrupted training, in its place, as another one."""

    def write(here, valid):
        (path,) = (here / "runs").glob("*/checkpoint/state.safetensors")
        within = str(path.relative_to(here))
        if isinstance(change, bytes):
            raw(within, change)(here, valid)
        else:
            retensored(f"interrupted/{path.relative_to(here / 'runs')}", within, change)(here, valid)

    return write


ENTRIES = [
    *family("model", BYTES.items(), lambda name, content: _model(name, raw("bad.safetensors", content))),
    *family(
        "model",
        [("cut", cut(0.5)), ("without its end", cut(0.99)), ("length changed", flipped(0)),
        ("header changed", flipped(9))],
        lambda name, change: _model(name, changed("model.safetensors", "bad.safetensors", change)),
    ),
    *family(
        "model spec",
        SPECS.items(),
        lambda name, spec: _model(name, retensored("model.safetensors", "bad.safetensors",
        _says("notbugs.spec", spec))),
    ),
    *family(
        "model tensors",
        CHANGES.items(),
        lambda name, change: _model(name, retensored("model.safetensors", "bad.safetensors", change)),
    ),
    *family("shard", SHARDS.items(), _shard),
    *family("reported shard", SHARDS.items(), _first_shard),
    *family(
        "shard bytes",
        list(BYTES.items())[::3],
        lambda name, content: Entry(
            name,
            both(copied("build", "set"), raw("set/shard-00000.safetensors", content), redigested("set")),
            ("export", "set", "--to", "parquet"),
        ),
    ),
    *family("checkpoint", CHECKPOINTS.items(), lambda name, change: _checkpoint(name, _of_run(change))),
    *family(
        "checkpoint bytes",
        list(BYTES.items())[1::3],
        lambda name, content: _checkpoint(name, _of_run(content)),
    ),
]  # fmt: skip
