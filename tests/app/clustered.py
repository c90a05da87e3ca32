"""Commands given to a cluster, in processes of their own."""

import subprocess
import sys
from pathlib import Path

from benchmarks.machines import Machines


def start(cluster: Machines, *command: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=cluster.environment,
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, errors = process.communicate()
    assert (process.returncode, errors) == (0, ""), "it is quiet, and so is Ray"
    return said


def there(cluster: Machines, *tokens: object, out: object) -> subprocess.Popen[str]:
    """A command on the cluster."""
    options = ("--out", out, "--on", "ray", "--ray-address", cluster.address, "--quiet")
    return start(cluster, "-m", "notbugs.app", *tokens, *options)
