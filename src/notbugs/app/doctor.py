"""What this machine has for a run: versions and packages looked up, one input gradient computed."""

import importlib.util
import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import torch
from upath import UPath

from notbugs.app.options import Common, device_of
from notbugs.errors import NotbugsError
from notbugs.hardware import choose_precision, has_fast_bfloat16
from notbugs.locations import Location, reaching

EXTRAS = {
    "huggingface_hub": "hf:NAME, and cifar10 without --data-root", "gradio": "notbugs demo", "ray": "--on ray",
    "s3fs": "s3://BUCKET/...",
}  # fmt: skip


@final
@dataclass(frozen=True)
class Finding:
    """One thing about this machine. `works` is None where it is a fact or a choice rather than a fault."""

    name: str
    works: bool | None
    detail: str


def examine(common: Common) -> list[Finding]:
    """What a command with these options would find here."""
    device = device_of(common)
    precision = choose_precision(common.precision, device)
    found = [
        Finding("python", sys.version_info >= (3, 11), platform.python_version()),
        Finding("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads"),
        Finding("device", True, _device_name(device)),
        Finding("bfloat16", None, "fast on this device" if has_fast_bfloat16(device) else "not fast here"),
        _gradient(device, precision, common.seed),
        Finding("compile", None, _compiler(device)),
        _room(common.out),
    ]
    for module, use in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            found.append(Finding(module, None, f"not installed; for {use}"))
        else:
            found.append(Finding(module, True, f"installed; for {use}"))
    return found


def print_findings(findings: list[Finding], *, as_json: bool, only_wrong: bool = False) -> None:
    """One line each on stdout."""
    shown = [finding for finding in findings if finding.works is False or not only_wrong]
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in shown], indent=2) + "\n")
        return
    marks = {True: "ok", False: "NO", None: "-"}
    for finding in shown:
        sys.stdout.write(f"{marks[finding.works]:<3} {finding.name:<16} {finding.detail}\n")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    return f"{device}: {torch.cpu.get_capabilities().get('cpu_name', platform.processor())}"


def _gradient(device: torch.device, precision: torch.dtype, seed: int) -> Finding:
    """One input gradient through a small network, in the format that searches use."""
    from notbugs.models import build
    from notbugs.models.folding import fast_view

    images = torch.full((8, 3, 32, 32), 0.5, device=device, requires_grad=True)
    view = fast_view(build("convnet", classes=10, seed=seed).to(device), precision)
    (gradient,) = torch.autograd.grad(view(images).sum(), images)
    text = (
        f"computed in {str(precision).removeprefix('torch.')}, the format of searches; results are in float32"
    )
    return Finding("input gradient", bool(gradient.isfinite().all()), text)


def _compiler(device: torch.device) -> str:
    found = device.type == "cuda" or shutil.which("c++") or shutil.which("cl")
    return f"torch.compile {'has its compiler' if found else 'lacks a C++ compiler'}; nothing here needs it"


def _room(out: Location) -> Finding:
    """Whether run directories can be made below `out`, and how much fits there."""
    if not isinstance(out, Path):
        return _store(out)
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    may_write = there.is_dir() and os.access(there, os.W_OK)
    text = f"{free / 2**30:.0f} GiB free" if may_write else f"{there} cannot be written to"
    return Finding("disk", may_write and free > 2**30, f"{out}: {text}")


def _store(out: UPath) -> Finding:
    """Whether a store takes and gives back what is written there."""
    probe = out / f".doctor-{os.getpid()}"
    try:
        with reaching(out):
            probe.write_bytes(b"written")
            works = probe.read_bytes() == b"written"
            probe.unlink()
    except NotbugsError as error:
        return Finding("store", False, str(error))
    return Finding("store", works, f"{out}: can be written to")
