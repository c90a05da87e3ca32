"""One malformed input: how it is written, the command that is given it, and what that may do."""

import hashlib
import json
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from benchmarks.valid import ARCH
from safetensors import safe_open
from safetensors.torch import save_file

Write = Callable[[Path, Path], None]
"""Into a directory, from the directory of valid inputs (`benchmarks.valid`)."""

COURSE = ("--quiet", "--arch", ARCH)
ACCEPTED = "epochs must be positive"
"""What ends a command whose images were accepted: nothing is trained for them."""

TRAIN, BUILD = ("train", *COURSE, "--epochs", "0"), ("build", "det", "--quiet", "--steps", "1")


@dataclass(frozen=True)
class Entry:
    """`codes`: how the command may end; `writes`: where, below its directory, it may leave something; `allowed`:
    how events begin that the command line has asked for.
    """

    name: str
    write: Write
    argv: tuple[str, ...]
    codes: tuple[int, ...] = (2,)
    writes: tuple[str, ...] = ("runs/",)
    allowed: tuple[str, ...] = ()


def nothing(here: Path, valid: Path) -> None:
    """The command line alone is wrong."""


def raw(name: str, content: bytes | str) -> Write:
    def write(here: Path, valid: Path) -> None:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def changed(source: str, name: str, change: Callable[[bytes], bytes]) -> Write:
    """A valid file with other bytes."""

    def write(here: Path, valid: Path) -> None:
        raw(name, change((valid / source).read_bytes()))(here, valid)

    return write


def both(*writes: Write) -> Write:
    def write(here: Path, valid: Path) -> None:
        for one in writes:
            one(here, valid)

    return write


def copied(source: str, name: str = "") -> Write:
    def write(here: Path, valid: Path) -> None:
        if (valid / source).is_dir():
            shutil.copytree(valid / source, here / (name or source), dirs_exist_ok=True)
        else:
            shutil.copy(valid / source, here / (name or source))

    return write


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(share * len(content))]


def flipped(place: int) -> Callable[[bytes], bytes]:
    """One byte is another; negative places count from the end."""

    def change(content: bytes) -> bytes:
        at = place % len(content)
        return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]

    return change


def header(text: str | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file, whatever its header says."""
    encoded = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def retensored(
    source: str,
    name: str,
    change: Callable[[dict[str, torch.Tensor], dict[str, str]], None],
    digest: bool = False,
) -> Write:
    """A valid safetensors file after its tensors and metadata have changed; without its digest unless asked for."""

    def write(here: Path, valid: Path) -> None:
        path = next(valid.glob(source))
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
        if not digest:
            metadata.pop("sha256", None)
        change(tensors, metadata)
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, here / name, metadata=metadata)

    return write


def redigested(name: str) -> Write:
    """The manifest of a built set says that its shards are right."""

    def write(here: Path, valid: Path) -> None:
        path = here / name / "origin.json"
        manifest = json.loads(path.read_text())
        for shard in manifest["shards"]:
            shard["sha256"] = hashlib.sha256((here / name / shard["file"]).read_bytes()).hexdigest()
        path.write_text(json.dumps(manifest))

    return write


def rewritten(name: str, change: Callable[[Any], Any]) -> Write:
    """A JSON file with other content; `change` may return a new one."""

    def write(here: Path, valid: Path) -> None:
        (path,) = here.glob(name)
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content if (new := change(content)) is None else new))

    return write


def put(place: str, value: Any) -> Callable[[Any], None]:
    """The value at a place like `config/models/0/named`."""

    def change(content: Any) -> None:
        *before, last = (int(part) if part.lstrip("-").isdigit() else part for part in place.split("/"))
        for part in before:
            content = content[part]
        content[last] = value

    return change


def drop(place: str) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        *before, last = place.split("/")
        for part in before:
            content = content[part]
        del content[last]

    return change


def family(name: str, cases: Iterable[tuple[Any, ...]], make: Callable[..., Entry]) -> Iterator[Entry]:
    """Entries that differ in one thing: its name comes first in each case."""
    for label, *rest in cases:
        yield make(f"{name}: {label}", *rest)


def says(name: str, value: str) -> Callable[[dict[str, torch.Tensor], dict[str, str]], None]:
    """Metadata of a safetensors file with another value."""

    def change(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata[name] = value

    return change
