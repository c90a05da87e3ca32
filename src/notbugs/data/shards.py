"""A built data set on disk: shards of exact float32 images, and `origin.json`, written last, to say it is whole."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.errors import NotbugsError
from notbugs.files import write_atomically

ORIGIN = "origin.json"


def shard_path(directory: Path, index: int) -> Path:
    """Where a data set keeps its shard `index`."""
    return directory / f"shard-{index:05d}.safetensors"


def shard_of(data: LabeledImages) -> dict[str, Tensor]:
    """Images (float32), labels and columns of `data` as what `write_tensors` writes and `read_shard` reads."""
    return {"images": data.images, "labels": data.labels, **data.columns}


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Named tensors as one file, atomically; equal content gives equal bytes."""
    write_atomically(
        path, save({name: tensor.cpu().contiguous() for name, tensor in sorted(tensors.items())})
    )


def read_shard(path: Path, *, class_names: tuple[str, ...], origin: Origin) -> LabeledImages:
    """One shard. Raises NotbugsError if the file is not one."""
    tensors = read_tensors(path)
    if not {"images", "labels"} <= set(tensors):
        raise NotbugsError(f"{path} has no images and labels; it is not a shard of a data set")
    images, labels = tensors.pop("images"), tensors.pop("labels")
    return LabeledImages(
        images=images, labels=labels, class_names=class_names, origin=origin, columns=tensors
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """What `write_tensors` wrote. Raises NotbugsError if the file is not such a one."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise NotbugsError(
            f"{path} is not a readable shard ({error}); delete it, and its command makes it again"
        ) from error


def concatenate(shards: Sequence[LabeledImages], *, origin: Origin) -> LabeledImages:
    """Shards in order as one data set."""
    first = shards[0]
    return LabeledImages(
        images=torch.cat([shard.images for shard in shards]),
        labels=torch.cat([shard.labels for shard in shards]),
        class_names=first.class_names,
        origin=origin,
        columns={name: torch.cat([shard.columns[name] for shard in shards]) for name in first.columns},
    )


def write_origin(
    directory: Path,
    *,
    origin: Origin,
    class_names: Sequence[str],
    shards: Sequence[Path],
    measured: Mapping[str, Any],
) -> None:
    """The manifest: what the set is, what was measured on it, and the digest of every shard."""
    manifest = {
        "schema": 1,
        **asdict(origin),
        "class_names": list(class_names),
        "measured": dict(measured),
        "shards": [{"file": path.name, "sha256": _digest(path)} for path in shards],
    }
    write_atomically(directory / ORIGIN, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def read_origin(directory: Path) -> dict[str, Any]:
    """The manifest of a built data set. Raises NotbugsError if there is none, or it is unfinished."""
    path = directory / ORIGIN
    if not path.is_file():
        hint = (
            "; its build has not finished: run the same build again" if any(directory.glob("shard-*")) else ""
        )
        raise NotbugsError(f"{directory} is not a built data set (no {ORIGIN}){hint}")
    try:
        manifest = json.loads(path.read_text())
        names = [entry["file"] for entry in manifest["shards"]]
        if any(Path(name).name != name for name in names):
            raise NotbugsError(f"{path} names a shard outside its directory")
        return manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, NotbugsError):
            raise
        raise NotbugsError(f"{path} is damaged ({error}); delete it and run the same build again") from error


def is_complete(directory: Path) -> bool:
    """Whether the manifest is there, and every shard that it names."""
    if not (directory / ORIGIN).is_file():
        return False
    return all((directory / entry["file"]).is_file() for entry in read_origin(directory)["shards"])


def read_built(directory: Path) -> LabeledImages:
    """A built data set, every shard checked against its digest.

    Raises NotbugsError if the set is unfinished, or a shard is missing or damaged.
    """
    manifest = read_origin(directory)
    try:
        origin = Origin(
            name=manifest["name"],
            licence=manifest["licence"],
            citation=manifest["citation"],
            recipe=manifest["recipe"],
            parent=manifest["parent"],
            model=manifest["model"],
        )
        class_names = tuple(manifest["class_names"])
    except KeyError as error:
        raise NotbugsError(
            f"{directory / ORIGIN} lacks {error}; delete it and run the same build again"
        ) from error
    shards = []
    for entry in manifest["shards"]:
        path = directory / entry["file"]
        if not path.is_file():
            raise NotbugsError(f"{path} is missing; run the same build again")
        if _digest(path) != entry.get("sha256"):
            raise NotbugsError(
                f"{path} is damaged (its digest differs); delete it and run the same build again"
            )
        shards.append(read_shard(path, class_names=class_names, origin=origin))
    if not shards:
        raise NotbugsError(f"{directory} holds 0 shards; delete it and build again")
    return concatenate(shards, origin=origin)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
