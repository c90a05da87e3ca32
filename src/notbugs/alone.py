"""One process at a time in a directory: another waits until it has finished, or has died."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from notbugs.locations import Location
from notbugs.partial import sweep
from notbugs.progress import Progress, silent
from notbugs.turns import while_waiting

EVERY = 0.2
"""Seconds between two tries."""


@contextmanager
def alone_in(directory: Location, progress: Progress = silent) -> Iterator[None]:
    """Nobody else is in this `with` block of that directory, whichever process of this machine he is.

    The claim is the kernel's (`flock` on the directory itself): it ends with the process, however that ends, and
    leaves nothing behind. Where there is no such thing (an object store, some network file systems, Windows) nobody
    waits: both do the same work, and write the same files.
    """
    try:
        import fcntl

        handle = os.open(directory, os.O_RDONLY) if isinstance(directory, Path) else None
    except (ImportError, OSError):
        handle = None
    if handle is None:
        yield
        return
    try:
        while not _claims(fcntl, handle):
            progress(0, 1, "waiting for another process that works on the same")
            with while_waiting():
                time.sleep(EVERY)
        with suppress(OSError):
            # What was half-written when somebody was killed here.
            for place in (directory, *directory.glob("*/")):
                sweep(place)
        yield
    finally:
        os.close(handle)


def _claims(fcntl: Any, handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that has no claims
        return True
    return True


__all__ = ["alone_in"]
