"""What works on this machine, found by trying it."""

import importlib.util
import json
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from typing import final

import torch

from notbugs.hardware import choose_device, choose_precision, has_fast_bfloat16

EXTRAS = {
    "huggingface_hub": "hf:NAME and cifar10 from the hub",
    "torchvision": "torchvision:NAME models",
    "timm": "timm:NAME models",
    "captum": "attributions",
    "ray": "a cluster",
    "gradio": "the web page",
}


@final
@dataclass(frozen=True)
class Finding:
    """One thing that was tried. `works` is None where it is a choice rather than a fault."""

    name: str
    works: bool | None
    detail: str


def examine() -> list[Finding]:
    """Try everything that a command may rely on."""
    device = choose_device("auto")
    found = [
        Finding("python", sys.version_info >= (3, 11), platform.python_version()),
        Finding("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads"),
        Finding("device", True, _device_name(device)),
        Finding("bfloat16", has_fast_bfloat16(device), _bfloat16(device)),
        _gradient(device),
        Finding(
            "compile",
            shutil.which("c++") is not None or device.type == "cuda",
            "torch.compile; nothing needs it",
        ),
        Finding(
            "disk",
            shutil.disk_usage(".").free > 2**30,
            f"{shutil.disk_usage('.').free / 2**30:.0f} GiB free here",
        ),
    ]
    for module, use in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        found.append(Finding(module, True if there else None, use if there else f"not installed; for {use}"))
    return found


def print_findings(findings: list[Finding], *, as_json: bool) -> None:
    """One line each on stdout."""
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
        return
    marks = {True: "ok", False: "NO", None: "-"}
    for finding in findings:
        sys.stdout.write(f"{marks[finding.works]:<3} {finding.name:<16} {finding.detail}\n")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    return f"{device}: {torch.cpu.get_capabilities().get('cpu_name', platform.processor())}"


def _bfloat16(device: torch.device) -> str:
    format_ = str(choose_precision("auto", device)).removeprefix("torch.")
    return f"searches run in {format_}; what is reported is verified in float32"


def _gradient(device: torch.device) -> Finding:
    """One input gradient through a small network, in the format that searches use."""
    from notbugs.models import build
    from notbugs.models.folding import fast_view

    images = torch.full((8, 3, 32, 32), 0.5, device=device, requires_grad=True)
    view = fast_view(build("convnet", classes=10, seed=0).to(device), choose_precision("auto", device))
    (gradient,) = torch.autograd.grad(view(images).sum(), images)
    return Finding("input gradient", bool(gradient.isfinite().all()), "through a folded convnet")
