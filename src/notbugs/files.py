"""Writing so that a file is either the old one or the new one, never half of it."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from notbugs.errors import NotbugsError
from notbugs.locations import Location, changed, reaching
from notbugs.partial import partial_name, sweep


def write_atomically(path: Location, content: bytes | str) -> None:
    """Write next to `path` and rename; in an object store, put it there, which is as good.

    Raises NotbugsError if the disk is full or read-only, or the store refuses.
    """
    data = content.encode() if isinstance(content, str) else content
    if not isinstance(path, Path):
        with reaching(path):
            path.write_bytes(data)
        changed(path)
        return
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write in that becomes `path` at the end, flushed to disk, or vanishes.

    Raises NotbugsError if the disk is full or read-only.
    """
    temporary = partial_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:  # Ctrl-C as well
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise NotbugsError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another --out"
        ) from error


def make_directory(path: Location) -> None:
    """Create a directory and its parents, where there are such. Raises NotbugsError where that is not possible."""
    if not isinstance(path, Path):
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotbugsError(f"cannot create {path}: {error.strerror}; choose another --out") from error


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A directory to write in that becomes `path` at the end, or vanishes.

    Raises NotbugsError if something is there already, or nothing can be written.
    """
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise NotbugsError(f"{path} already exists and is not empty; name a new directory or remove it")
    hidden = partial_name(path)
    sweep(path.parent, glob.escape(path.name))
    try:
        hidden.mkdir(parents=True)
    except OSError as error:
        raise NotbugsError(f"{path} cannot be written ({error.strerror}); name another directory") from error
    try:
        yield hidden
        if hasattr(os, "sync"):
            os.sync()  # thousands of files at once: none may be empty after a power cut, when the name is there
        os.replace(hidden, path)
    except OSError as error:
        raise NotbugsError(
            f"{path} cannot be written ({error.strerror or error}); nothing was left there"
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


__all__ = ["appearing", "make_directory", "replacing", "write_atomically"]
