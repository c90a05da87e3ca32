"""Which device and which number format: decided once, from what is really there."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from notbugs.errors import NotbugsError

Precision = Literal["auto", "float32", "bfloat16"]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 arithmetic is done by the hardware; elsewhere it is emulated, and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    return False


def choose_device(name: str) -> torch.device:
    """`auto` (an accelerator if there is one), `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises NotbugsError if the device is unknown or absent.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # of "meta" there are no values
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise NotbugsError(
            f"device {name!r} cannot be used here; try --device auto or --device cpu"
        ) from error
    return device


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """The format of the fast path. What is reported is re-verified in float32 whatever this says."""
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if precision not in ("float32", "bfloat16"):
        raise NotbugsError(f"unknown precision {precision!r} (known: auto, float32, bfloat16)")
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def free_memory_of(device: torch.device) -> int | None:
    """Bytes that are left on a device with memory of its own; None where it shares the machine's."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


@contextmanager
def one_thread() -> Iterator[None]:
    """Arithmetic whose rounding does not depend on the number of threads: sums are split differently by more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def keep_freed_memory() -> bool:
    """Let the process keep large blocks that it frees, instead of handing them back and faulting them in again.

    The activations of every step are such blocks: 5 to 15 % of the time of an attack on a CPU. It is a setting
    of the whole process, so programs call it and the library does not. False where there is no glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    return bool(mallopt(mmap_threshold, 1 << 30)) and bool(mallopt(trim_threshold, (1 << 31) - 1))
