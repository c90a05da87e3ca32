"""Names of what is being written and nobody reads yet, and what becomes of them when the writer has died."""

import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

OLD = 86_400.0
"""Seconds after which nobody is still writing: a writer on another machine cannot be asked."""

_HOST = re.sub(r"[^\w-]", "_", socket.gethostname())


def partial_name(path: Path) -> Path:
    """Beside `path`, of this process and of this call alone: machines that share a disk may write the same file."""
    return path.parent / f".{path.name}.{_HOST}.{os.getpid()}.{secrets.token_hex(4)}.partial"


def sweep(directory: Path, name: str = "*") -> None:
    """Remove what was begun in a directory as `name` and whose writer is no more; who writes now is left alone."""
    for left in directory.glob(f".{name}.*.partial"):
        with suppress(OSError):  # another sweeps as well
            if not _is_abandoned(left):
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()


def _is_abandoned(left: Path) -> bool:
    *_, host, pid, _, _ = ["", "", *left.name.split(".")]
    if host == _HOST and pid.isdigit():
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
    return time.time() - left.stat().st_mtime > OLD


__all__ = ["partial_name", "sweep"]
