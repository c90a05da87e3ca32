"""Which Parquet files of a directory are which split."""

import re

from notbugs.data.splits import require_split
from notbugs.errors import NotbugsError
from notbugs.locations import Location, matching, within

_SPLIT_NAMES = {
    "train": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}


def split_files(path: Location, *, split: str) -> tuple[dict[str, list[Location]], list[Location]]:
    """All files by split, and those of the split asked for (key "" and all of them where the files name no
    split).

    A file belongs to the split that its name begins with (`train-00000-of-00005.parquet`), or to the one
    that its folder is called. Where there is no test split, `validation` is the test. Raises NotbugsError
    for a path that does not exist or holds no Parquet file, several data sets in one directory, and a split
    that is not there.
    """
    require_split(split)
    try:
        found = path.exists()
    except OSError as error:
        raise NotbugsError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if not found:
        raise NotbugsError(f"{path} does not exist; expected a Parquet file or a directory of them")
    files = (
        [path] if path.is_file() else [file for file in matching(path, "**/*.parquet") if _seen(file, path)]
    )
    if not files:
        raise NotbugsError(
            f"{path} holds no .parquet file; expected files such as {path}/train-00000-of-00001.parquet"
        )
    by_split: dict[str, list[Location]] = {}
    for file in files:
        by_split.setdefault(_split_of(file)[0], []).append(file)
    if len(by_split) > 1:
        by_split.pop("", None)  # other files beside the splits
    parents = {_split_of(file)[1] for group in by_split.values() for file in group}
    if len(parents) > 1:
        names = ", ".join(sorted(str(parent) for parent in parents))
        raise NotbugsError(f"{path} holds several data sets ({names}); name one of these directories")
    if set(by_split) == {""}:
        return by_split, files
    chosen = by_split.get(split) or (by_split.get("validation") if split == "test" else None)
    if not chosen:
        known = ", ".join(sorted(filter(None, by_split)))
        hint = "; name the directory, not one of its files" if path.is_file() else ""
        raise NotbugsError(f"{path} has no {split} split (it has: {known}){hint}")
    return by_split, chosen


def _seen(file: Location, directory: Location) -> bool:
    return not any(part.startswith(".") for part in within(directory, file).split("/"))


def _split_of(file: Location) -> tuple[str, Location]:
    """The split of a file, and the directory of the data set that it is part of."""
    if file.parent.name in _SPLIT_NAMES:  # CONFIG/train/0000.parquet
        return _SPLIT_NAMES[file.parent.name], file.parent.parent
    first = re.split(r"[-._]", file.name)[0]
    return _SPLIT_NAMES.get(first, ""), file.parent
