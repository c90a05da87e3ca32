"""Processes started by torchrun, to be watched and killed."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def torchrun(
    words: Sequence[str],
    *,
    ranks: int,
    logs: Path,
    restarts: int = 0,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """So many ranks of one thread; what each says goes to `logs`/*/attempt_N/RANK."""
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        str(ranks),
        "--redirects",
        "3",
    ]
    settings = {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", **(environment or {})}
    return subprocess.Popen(
        [*launch, "--log-dir", str(logs), "--max-restarts", str(restarts), *words],
        env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def said(logs: Path, rank: int, stream: str = "stderr") -> str:
    """By a rank, in its last attempt."""
    return max(logs.rglob(f"{rank}/{stream}.log"), key=lambda path: path.parent.parent.name).read_text()


def attempts(logs: Path) -> int:
    return len(list(logs.glob("*/attempt_*")))


def processes(launcher: subprocess.Popen[bytes]) -> list[int]:
    """The ids of the ranks' processes, in order."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            parent = re.search(r"PPid:\t(\d+)", (directory / "status").read_text())
            environment = b"\0" + (directory / "environ").read_bytes()
        except OSError:  # gone meanwhile
            continue
        rank = re.search(rb"\0LOCAL_RANK=(\d+)\0", environment)
        if parent and rank and int(parent[1]) == launcher.pid:
            found[int(rank[1])] = int(directory.name)
    return [found[rank] for rank in sorted(found)]
