"""What others have written and may be anything: JSON, and names that lead to no file."""

import json
from pathlib import Path
from typing import Any

from notbugs.errors import NotbugsError
from notbugs.locations import Location


def from_json(text: str | bytes) -> Any:
    """What JSON says. Raises ValueError for all that is none, or that nobody writes: nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            raise
        raise ValueError("it holds a number of thousands of digits") from error


def require_regular(path: Location) -> None:
    """Raise NotbugsError for a pipe or a device, which could be read for ever; a file that is not there is none."""
    if isinstance(path, Path) and path.exists() and not path.is_file() and not path.is_dir():
        raise NotbugsError(f"{path} is a pipe or a device, not a file; remove it or name a file")


def require_within(directory: Location, name: object) -> Location:
    """What a file names below its directory. Raises NotbugsError for a way out of it.

    >>> require_within(Path("runs"), "stage")
    PosixPath('runs/stage')
    """
    is_way = isinstance(name, str) and name and not {"\0", "\\", ":"} & set(name)
    if not is_way or name.startswith("/") or ".." in name.split("/"):  # type: ignore[attr-defined]
        raise NotbugsError(
            f"{directory} names {name!r}, which does not lie in it; its command makes it again"
        )
    return directory / str(name)


__all__ = ["from_json", "require_regular", "require_within"]
