"""A built data set on disk: shards of exact float32 images, and `origin.json`, written last, to say it is whole."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.stored import Reader, joined, read_or_stored
from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.foreign import from_json, require_within
from notbugs.integrity import DIGEST, digest_of, is_intact
from notbugs.locations import Location, is_file, kept_file, local_file
from notbugs.tensors import Images

ORIGIN = "origin.json"


def shard_path(directory: Location, index: int) -> Location:
    """Where a data set keeps its shard `index`."""
    return directory / f"shard-{index:05d}.safetensors"


def shard_of(data: LabeledImages) -> dict[str, Tensor]:
    """Images (float32), labels and columns of `data` as what `write_tensors` writes and `read_shard` reads."""
    return {"images": data.images, "labels": data.labels, **data.columns}


def write_tensors(tensors: Mapping[str, Tensor], path: Location) -> None:
    """Named tensors as one file with their digest, atomically; equal content gives equal bytes."""
    kept = {name: tensor.cpu().contiguous() for name, tensor in sorted(tensors.items())}
    write_atomically(path, save(kept, metadata={DIGEST: digest_of(kept)}))


def is_whole(path: Location) -> bool:
    """Whether a file is there and holds what was written."""
    if not is_file(path):
        return False
    with local_file(path) as here:
        try:
            return bool(read_tensors(here))
        except NotbugsError:
            return False


def read_shard(path: Location, *, class_names: tuple[str, ...], origin: Origin) -> LabeledImages:
    """One shard. Raises NotbugsError if the file is not one."""
    tensors = read_tensors(path)
    if not {"images", "labels"} <= set(tensors):
        raise NotbugsError(f"{path} has no images and labels; it is not a shard of a data set")
    images, labels = tensors.pop("images"), tensors.pop("labels")
    return LabeledImages(
        images=images, labels=labels, class_names=class_names, origin=origin, columns=tensors
    )


def read_tensors(path: Location) -> dict[str, Tensor]:
    """What `write_tensors` wrote. Raises NotbugsError if the file is not such a one, or is damaged."""
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if not is_intact(tensors, file.metadata() or {}):
            raise NotbugsError(f"{path} is damaged (its digest differs); its command makes it again")
        return tensors


def concatenate(shards: Sequence[LabeledImages], *, origin: Origin) -> LabeledImages:
    """Shards in order as one data set."""
    first = shards[0]
    return LabeledImages(
        images=joined([shard.images for shard in shards]),
        labels=torch.cat([shard.labels for shard in shards]),
        class_names=first.class_names,
        origin=origin,
        columns={name: torch.cat([shard.columns[name] for shard in shards]) for name in first.columns},
    )


def write_origin(
    directory: Location,
    *,
    origin: Origin,
    class_names: Sequence[str],
    shards: Sequence[Location],
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


def read_origin(directory: Location) -> dict[str, Any]:
    """The manifest of a built data set. Raises NotbugsError if there is none, or it is unfinished."""
    path = directory / ORIGIN
    if not is_file(path):
        hint = (
            "; its build has not finished: run the same build again" if any(directory.glob("shard-*")) else ""
        )
        raise NotbugsError(f"{directory} is not a built data set (no {ORIGIN}){hint}")
    try:
        manifest = from_json(path.read_text())
        names = [entry["file"] for entry in manifest["shards"]]
        if any(require_within(directory, name).parent != directory for name in names):
            raise NotbugsError(f"{path} names a shard outside its directory")
        if len(set(names)) < len(names):
            raise NotbugsError(f"{path} names a shard twice; delete it and run the same build again")
        _require_manifest(manifest, path)
        return manifest
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, NotbugsError):
            raise
        raise NotbugsError(f"{path} is damaged ({error}); delete it and run the same build again") from error


_KINDS = {
    "name": str,
    "licence": str,
    "citation": str,
    "parent": str,
    "model": str,
    "recipe": dict,
    "measured": dict,
}


def _require_manifest(manifest: Mapping[str, Any], path: Location) -> None:
    """Every value of the kind that `write_origin` writes, where it is there."""
    for name, kind in _KINDS.items():
        if name in manifest and not isinstance(manifest[name], kind):
            raise NotbugsError(
                f"{path}: {name} is {str(manifest[name])[:80]!r}; delete it and run the same build again"
            )
    classes = manifest.get("class_names", [])
    if not (isinstance(classes, list) and all(isinstance(one, str) for one in classes)):
        raise NotbugsError(f"{path}: class_names is no list of names; delete it and run the same build again")
    "".join(classes).encode()  # ValueError: half a surrogate is no text


def is_complete(directory: Location) -> bool:
    """Whether the manifest is there, and every shard that it names, undamaged."""
    if not is_file(directory / ORIGIN):
        return False
    return all(is_whole(directory / entry["file"]) for entry in read_origin(directory)["shards"])


def read_built(
    directory: Location, *, stored: bool | None = None, for_device: torch.device | str = "cpu"
) -> LabeledImages:
    """A built data set, every shard checked against its digest.

    `stored`: the images stay in the shards until they are asked for (`StoredImages`); by default where they do not
    fit into memory, also not into that of `for_device`, to which they will go.

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
    paths = [directory / entry["file"] for entry in manifest["shards"]]
    if not paths:
        raise NotbugsError(f"{directory} holds 0 shards; delete it and build again")
    for path, entry in zip(paths, manifest["shards"], strict=True):
        if not is_file(path):
            raise NotbugsError(f"{path} is missing; run the same build again")
        if _digest(path) != entry.get("sha256"):
            raise NotbugsError(f"{path} is damaged (its digest differs); run the same build again")
    columns = read_columns(paths)
    return LabeledImages(
        images=read_or_stored(ShardReader(tuple(paths)), stored=stored, for_device=for_device),
        labels=columns.pop("labels"),
        class_names=class_names,
        origin=origin,
        columns=columns,
    )


def read_columns(paths: Sequence[Location]) -> dict[str, Tensor]:
    """Labels and columns of all shards, without the images. Raises NotbugsError for a file that is no shard."""
    parts = []
    for path in paths:
        with _opened(path) as file:
            # Copied: what is taken from a file keeps all of it in memory.
            names = [name for name in file.keys() if name != "images"]  # noqa: SIM118 (not a dict)
            parts.append({name: file.get_tensor(name).clone() for name in names})
        if "labels" not in parts[-1]:
            raise NotbugsError(f"{path} has no labels; it is not a shard of a data set")
    for path, part in zip(paths, parts, strict=True):
        for name in parts[0].keys() | part.keys():
            shapes = [
                tuple(one[name].shape[1:]) if name in one and one[name].dim() else None
                for one in (parts[0], part)
            ]
            if None in shapes or shapes[0] != shapes[1]:
                raise NotbugsError(
                    f"{path}: {name} is not what it is in {paths[0].name}; run the same build again"
                )
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@final
@dataclass(frozen=True)
class ShardReader(Reader):
    """Images in shards, one after the other."""

    paths: tuple[Location, ...]

    @cached_property
    def _shapes(self) -> list[list[int]]:
        shapes = [_shape_in(path) for path in self.paths]
        for path, shape in zip(self.paths, shapes, strict=True):
            if shape[1:] != shapes[0][1:]:
                raise NotbugsError(
                    f"{path}: images are {shape[1:]}, those of {self.paths[0].name} {shapes[0][1:]}; build again"
                )
        return shapes

    @property
    def shape(self) -> tuple[int, int, int, int]:
        channels, height, width = self._shapes[0][1:]
        return sum(shape[0] for shape in self._shapes), channels, height, width

    def shared_by(self, processes: int) -> "ShardReader":
        return self  # it keeps nothing

    def read(self, rows: np.ndarray) -> Images:
        images, first = torch.empty(len(rows), *self.shape[1:]), 0
        for path, (count, *_) in zip(self.paths, self._shapes, strict=True):
            places = np.flatnonzero((rows >= first) & (rows < first + count))
            if len(places):
                with _opened(path) as file:
                    kept = file.get_slice("images")
                    wanted = rows[places] - first
                    # Most of a shard is sooner read whole than image by image.
                    some = (
                        kept[:][torch.from_numpy(wanted)]
                        if 4 * len(wanted) > count
                        else torch.cat([kept[int(row) : int(row) + 1] for row in wanted])
                    )
                images[torch.from_numpy(places)] = some
            first += count
        return images


def _shape_in(path: Location) -> list[int]:
    with _opened(path) as file:
        if "images" not in file.keys():  # noqa: SIM118 (not a dict)
            raise NotbugsError(f"{path} has no images; it is not a shard of a data set")
        images = file.get_slice("images")
        shape, kind = list(images.get_shape()), str(images.get_dtype())
    if len(shape) != 4 or 0 in shape or kind != "F32":
        raise NotbugsError(
            f"{path}: images are {kind} of shape {shape}, expected F32 (n, channels, height, width); build again"
        )
    return shape


@contextmanager
def _opened(path: Location) -> Iterator[Any]:
    try:
        with safe_open(kept_file(path), framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise NotbugsError(f"{path} is not a readable shard ({error}); its command makes it again") from error


def _digest(path: Location) -> str:
    with kept_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
