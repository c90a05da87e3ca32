"""This process and a Ray cluster: found, asked what it has, its errors, and how tensors travel."""

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from notbugs.cluster.head import watch_head
from notbugs.errors import NotbugsError
from notbugs.hardware import keep_freed_memory
from notbugs.memory import share_memory

RETRIES = 8
"""How often a task is given to another worker: machines come and go, a task that kills them stays."""


@final
@dataclass(frozen=True)
class Settings:
    """What a worker takes over from the driver: how many threads it has, and where relative paths begin."""

    threads: int
    directory: str
    sharing: int
    """Workers of one machine, which divide its memory."""


def settings_here(threads: int, slots: Sequence[int]) -> Settings:
    """Those of this process, and what follows from the slots of each machine."""
    return Settings(threads, os.getcwd(), max(slots))


def prepare(ray: Any, settings: Settings) -> None:
    """A worker does first what every process of ours does, and what the driver has done."""
    share_tensors(ray)
    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    share_memory(settings.sharing)
    with suppress(OSError):  # a machine without it does what needs no path
        os.chdir(settings.directory)


def resources(ray: Any, gpus: float, threads: int) -> dict[str, float]:
    """What a task takes: so much of a GPU, and a core for each thread, but no more than leaves all GPUs busy."""
    cores = float(threads)
    for node in ray.nodes():
        has = node["Resources"]
        if node["Alive"] and gpus and has.get("GPU", 0) >= gpus:
            cores = min(cores, max(1, has.get("CPU", 0) // (has["GPU"] // gpus)))
    return {"num_cpus": cores, "num_gpus": gpus}


def connected(address: str) -> Any:
    """Ray, until this process ends. Raises NotbugsError without Ray, and without a cluster there."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what it recovers from is nothing to be told
    try:
        import ray
    except ModuleNotFoundError as error:
        raise NotbugsError(
            "Ray is not installed: pip install 'notbugs[ray]', or leave out --on ray"
        ) from error
    if not ray.is_initialized():
        if address not in ("", "auto"):
            _require_listening(address)
        try:
            with _standard_error_closed(), _signals_kept():
                ray.init(
                    address=address or "local", include_dashboard=False, log_to_driver=False,
                    logging_level=logging.CRITICAL,
                )  # fmt: skip
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            where = f"{address} does not answer as a Ray cluster" if address else "Ray does not start here"
            raise NotbugsError(
                f"{where} ({_first_line(error)}); every machine needs the head's token in ~/.ray/auth_token, and its "
                "version of Ray"
            ) from error
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        watch_head(host.strip("[]"), int(port))
    share_tensors(ray)
    return ray


@contextmanager
def _standard_error_closed() -> Iterator[None]:
    """Ray's C++ says there which level it was given before it keeps to it; what goes wrong, it raises."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed already
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """SIGTERM means what it meant before: Ray's own handlers, of Python and of C++, end the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as stopped:  # Ray's handler, while it began
        raise KeyboardInterrupt from stopped
    finally:
        signal.signal(signal.SIGTERM, kept)


def _require_listening(address: str) -> None:
    """Ray itself asks for minutes where nobody answers."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise NotbugsError(
            f"{address} is no cluster's address; give host:port, as `ray start --head` says it, or auto"
        )
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise NotbugsError(f"no Ray cluster answers at {address}: {error.strerror or error}") from error


@contextmanager
def errors_of(ray: Any) -> Iterator[None]:
    """What a task raised, as if it had been done here; what befell it, in one line."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise NotbugsError(
            f"the cluster gave it up ({_first_line(error)}); the same command goes on where it was"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def slots_of(ray: Any, needed: Mapping[str, float]) -> list[int]:
    """How many tasks each machine can run at once. Raises NotbugsError if no machine has what one takes."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU"}
    wanted = {names[kind]: count for kind, count in needed.items() if count}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    slots = [int(min(has.get(name, 0) / count for name, count in wanted.items())) for has in machines]
    if not any(slots):
        said = " and ".join(f"{count:g} {name}" for name, count in wanted.items())
        raise NotbugsError(f"no machine of the cluster has the {said} that a task takes; see OMP_NUM_THREADS")
    return slots


def share_tensors(ray: Any) -> None:
    """Tensors travel as arrays, which all workers of a machine read in place."""
    ray.util.register_serializer(torch.Tensor, serializer=_as_array, deserializer=_from_array)


def _as_array(tensor: Tensor) -> tuple[Any, torch.dtype, torch.device]:
    plain = tensor.detach().cpu()
    is_half = plain.dtype == torch.bfloat16  # which arrays do not know
    return (plain.view(torch.int16) if is_half else plain).numpy(), tensor.dtype, tensor.device


def _from_array(kept: tuple[Any, torch.dtype, torch.device]) -> Tensor:
    array, dtype, device = kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it cannot be written to, and nobody does
        return torch.from_numpy(array).view(dtype).to(device)


__all__ = [
    "RETRIES",
    "Settings",
    "connected",
    "errors_of",
    "prepare",
    "resources",
    "settings_here",
    "slots_of",
]
