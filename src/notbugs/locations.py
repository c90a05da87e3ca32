"""Where files are: a path of this machine, or a URL of an object store (s3://, gs://, az://, memory://)."""

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from upath import UPath

from notbugs.errors import NotbugsError
from notbugs.partial import partial_name, sweep

Location = Path | UPath
"""Both have the same methods. In an object store a file appears whole, and nobody makes folders."""

_STORES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "memory": "",
    "http": "aiohttp", "https": "aiohttp",
}  # fmt: skip
"""Where a file is there whole or not at all, by the package that it takes; http is for reading."""


def location(named: str | Location) -> Location:
    """What text names: `s3://bucket/runs` is a URL, anything else a path (`~` is the home directory).

    Raises NotbugsError for a store that nothing installed knows, and for what is none: there a file may be half.

    >>> location("runs"), location("memory://runs").name
    (PosixPath('runs'), 'runs')
    """
    if isinstance(named, UPath):
        return named
    if "\0" in str(named):
        raise NotbugsError(f"{str(named)!r} holds a zero byte: no path does")
    if "://" not in str(named):
        # Not the home of somebody called `backup`: a file may be named ~backup.
        return Path(named).expanduser() if re.match(r"~(/|$)", str(named)) else Path(named)
    kind, _, rest = str(named).partition("://")
    if not rest.strip("/") or (rest.startswith("/") and _STORES.get(kind)):
        raise NotbugsError(f"{named} names nothing in the store; give a URL such as s3://bucket/runs")
    if kind == "file" and rest.startswith("/"):
        return Path(rest)
    if kind not in _STORES:
        raise NotbugsError(f"{named}: {kind}:// is no object store (known: {', '.join(_STORES)})")
    needed = _STORES[kind]
    if needed and not find_spec(needed):
        raise NotbugsError(f"{named}: {kind}:// needs the package {needed}: pip install {needed}")
    try:
        # What others have written meanwhile is looked for every time.
        return cast(Location, UPath(named, use_listings_cache=False))
    except (ValueError, ImportError) as error:
        raise NotbugsError(f"{named}: {error}; give a path, or a URL such as s3://bucket/runs") from error


COPIES = "notbugs-copies"
"""Of files in stores, in the temporary directory."""


@contextmanager
def reaching(where: Location) -> Iterator[None]:
    """What a store says, in one line: its clients have classes of errors of their own."""
    try:
        yield
    except (NotbugsError, FileNotFoundError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise NotbugsError(
            f"{where} cannot be reached: {said}; check the URL, and the store's credentials"
        ) from error


def is_file(where: Location) -> bool:
    """Whether a file is there. Raises what its client raises where a store is not reached: `Path.is_file` says no,
    and what was finished would be done again.
    """
    return where.is_file() if isinstance(where, Path) else where.exists()


def within(directory: Location, path: Location) -> str:
    """The way from a directory to what lies below it, as text."""
    return path.as_posix().removeprefix(directory.as_posix()).lstrip("/")


def matching(directory: Location, pattern: str) -> list[Location]:
    """What lies in a directory (`**/`: or below it), in order."""
    return sorted(directory.glob(pattern), key=lambda path: path.parts)


@contextmanager
def local_file(where: Location) -> Iterator[Path]:
    """The file itself where it is on this machine, else a copy, for what reads nothing but such files."""
    if isinstance(where, Path):
        yield where
        return
    with tempfile.TemporaryDirectory() as directory:
        yield _copied(where, Path(directory))


def kept_file(where: Location) -> Path:
    """As `local_file`, of what is written once: the copy is kept until this process ends, or writes the file anew."""
    if isinstance(where, Path):
        return where
    if where not in _kept:
        _kept[where] = _copied(where, Path(tempfile.mkdtemp(dir=_copies())))
    return _kept[where]


def changed(where: UPath) -> None:
    """A file has been written: the copy that was kept is none."""
    _kept.pop(where, None)


_kept: dict[UPath, Path] = {}


@cache
def _copies() -> Path:
    """The directory of this process's copies; those of processes that were killed go."""
    directory = partial_name(Path(tempfile.gettempdir()) / COPIES)
    sweep(directory.parent, COPIES)
    directory.mkdir(mode=0o700)
    atexit.register(forget_copies)
    return directory


def forget_copies() -> None:
    """Remove the copies of this process: before it ends by `os._exit`, which asks nobody."""
    if _copies.cache_info().currsize:
        shutil.rmtree(_copies(), ignore_errors=True)


def _copied(where: UPath, directory: Path) -> Path:
    copy = directory / where.name
    with reaching(where):
        content = where.read_bytes()
    copy.write_bytes(content)
    return copy


__all__ = [
    "Location",
    "changed",
    "forget_copies",
    "is_file",
    "kept_file",
    "local_file",
    "location",
    "matching",
    "reaching",
    "within",
]
