"""What a result may depend on beside its config: versions, the commit, the command, the machine."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch


def provenance(world_size: int = 1) -> dict[str, Any]:
    """What a result may depend on beside its config."""
    packages = ("notbugs", "torch", "numpy", "safetensors", "pyarrow", "pillow", "timm", "torchvision")
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: found for name in packages if (found := _version(name))},
        },
        "commit": _commit(),
        "command": _command(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": str(torch.cpu.get_capabilities().get("cpu_name", "unknown")),
            "threads": torch.get_num_threads(),
            "world_size": world_size,
            "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }


def _command() -> str | None:
    """The command line, if that is what runs; without its --out, or equal runs in two places would differ."""
    program, *words = sys.argv or [""]
    if Path(program).stem not in ("notbugs", "__main__"):
        return None
    pairs = zip(words, ["", *words], strict=False)
    kept = [word for word, before in pairs if before != "--out" and not word.startswith("--out")]
    return shlex.join(["notbugs", *kept])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the source tree, where the package runs from one."""
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


__all__ = ["provenance"]
