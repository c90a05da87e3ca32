"""How much memory this process may still take: what the machine has left, and what it has been told to keep to."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from notbugs.ranks import ranks_of_torchrun

_CGROUPS = (
    ("/sys/fs/cgroup{}", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory{}", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Where a control group says its limit and what it uses, in versions 2 and 1."""

_OWN_GROUPS = "/proc/self/cgroup"

_LIMITS = {"RLIMIT_AS": "VmSize", "RLIMIT_DATA": "VmData"}
"""Limits of a process (`ulimit -v`, `ulimit -d`), and where Linux says what it has taken of them."""


UNTOLD = 4 << 30
"""Bytes that are taken to be left where nothing says (Windows): what a small machine has."""


_sharing = 1


def share_memory(processes: int) -> None:
    """Say that this is one of so many processes on its machine that do such work at once."""
    global _sharing
    _sharing = max(1, processes)


def sharing() -> int:
    """How many processes of this machine do such work at once, and divide what is left of its memory: all of them
    look at the same moment how much that is.
    """
    return _sharing * ranks_of_torchrun().local_world_size


def available_memory() -> int:
    """Bytes that can still be taken: the least that the machine, its control groups and the process's limits leave.
    Where none of them says, 4 GiB.

    >>> available_memory() > 0
    True
    """
    return max(0, min((*_left_by_machine(), *_left_by_cgroup(), *_left_by_limits()), default=UNTOLD))


def _left_by_machine() -> Iterator[int]:
    with suppress(OSError, ValueError, AttributeError):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, KeyError, ValueError):
        yield _kilobytes("/proc/meminfo")["MemAvailable"]


def _left_by_cgroup() -> Iterator[int]:
    with suppress(OSError):
        for line in Path(_OWN_GROUPS).read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            root, limit, usage = _CGROUPS[0] if controllers == "" else _CGROUPS[1]
            own = PurePosixPath(group)  # inside a container the root
            # The inner one often says "max", and one further out has a limit.
            for path in (own, *own.parents):
                where = Path(root.format(path))
                with suppress(OSError, ValueError):
                    left = int((where / limit).read_text()) - int((where / usage).read_text())
                    yield left + _cached(where / "memory.stat")


def _cached(statistics: Path) -> int:
    """Bytes of files that a group is charged for, and that make room when something else wants it."""
    lines = dict(line.split(" ", 1) for line in statistics.read_text().splitlines())
    return int(lines.get("total_inactive_file", lines.get("inactive_file", 0)))


def _left_by_limits() -> Iterator[int]:
    with suppress(ImportError, OSError, KeyError, ValueError):
        import resource  # which Windows has not

        taken = _kilobytes("/proc/self/status")
        for name, what in _LIMITS.items():
            allowed, _ = resource.getrlimit(getattr(resource, name))
            if allowed != resource.RLIM_INFINITY:
                yield allowed - taken[what]


def _kilobytes(file: str) -> dict[str, int]:
    """The lines `name: 123 kB` of a file, in bytes."""
    found = {}
    for line in Path(file).read_text().splitlines():
        name, _, value = line.partition(":")
        if value.strip().endswith(" kB"):
            found[name] = 1024 * int(value.split()[0])
    return found


__all__ = ["available_memory", "share_memory", "sharing"]
