"""Where work runs. A shard is the unit: idempotent, written atomically, found again after anything that kills."""

from collections.abc import Callable
from pathlib import Path

from notbugs.data.labeled import LabeledImages
from notbugs.data.shards import shard_path, write_shard
from notbugs.progress import Progress, silent


def map_shards(
    make: Callable[[int], LabeledImages], count: int, directory: Path, *, progress: Progress = silent
) -> list[Path]:
    """Make the shards that `directory` still lacks, in this process. Returns the paths of all of them."""
    paths = [shard_path(directory, index) for index in range(count)]
    for index, path in enumerate(paths):
        if not path.exists():
            write_shard(make(index), path)
        progress(index + 1, count, "shards")
    return paths
