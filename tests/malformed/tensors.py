"""Shards and checkpoints: safetensors files that lie about images and steps."""

import json

import torch

from malformed.entry import COURSE, Entry, both, copied, family, raw, redigested, retensored, says
from malformed.weights import BYTES, DEEP


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
    "a digest of another file": says("sha256", "0" * 64),
}

CHECKPOINTS = {
    "no metadata": lambda tensors, metadata: metadata.clear(),
    "metrics nested deeply": says("metrics", DEEP),
    "metrics that are no JSON": says("metrics", "{"),
    "metrics that are a number": says("metrics", "7"),
    "metrics of words": says("metrics", '["epoch"]'),
    "metrics with more": says(
        "metrics", '[{"epoch": 0, "loss": 1, "accuracy": 1, "lr": 1, "factory": "os:system"}]'
    ),
    "metrics of text": says("metrics", '[{"epoch": "0", "loss": "a", "accuracy": [], "lr": {}}]'),
    "metrics of many epochs": says(
        "metrics", json.dumps([{"epoch": n, "loss": 1, "accuracy": 1, "lr": 1} for n in range(99)])
    ),
    "metrics of NaN": says("metrics", '[{"epoch": 0, "loss": NaN, "accuracy": NaN, "lr": NaN}]'),
    "steps that are no number": says("steps", "many"),
    "steps below zero": says("steps", "-5"),
    "steps beyond the epoch": says("steps", "99999999"),
    "steps of 5000 digits": says("steps", "9" * 5000),
    "another training": says("identity", "someone else's"),
    "no totals": _without("totals"),
    "totals of another shape": _set("totals", lambda t: t[0, 0].clone()),
    "a digest of another file": says("sha256", "0" * 64),
    "weights of another shape": _set("model.head.weight", lambda t: t.T.contiguous()),
    "weights without a shape": _set("model.head.weight", lambda t: t[0, 0].clone()),
    "a weight missing": _without("model.head.weight"),
    "weights of NaN": _set("model.head.weight", lambda t: t * torch.nan),
    "weights of complex numbers": _set("model.head.weight", lambda t: t.to(torch.complex64)),
    "momentum of another shape": _set("momentum.head.weight", lambda t: t.T.contiguous()),
    "momentum of NaN": _set("momentum.head.weight", lambda t: t * torch.nan),
}


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
