"""Work on a Ray cluster: this machine as one, or one that is there. Ray is imported only where it is asked for.

A shard is a task with declared resources. What it needs (model, images) is put into the object store once, and read
in place by all workers of a machine. When a worker dies, or its machine, Ray gives the task to another.
"""

import logging
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from notbugs.data.recent import Recent
from notbugs.errors import NotbugsError
from notbugs.execution import Crew, Execution, Make, Message, Task, Value
from notbugs.hardware import keep_freed_memory
from notbugs.progress import Progress, silent
from notbugs.turns import in_turns, my_turn, while_waiting

RETRIES = 8
"""How often a task is given to another worker: machines come and go, a task that kills them stays."""

AHEAD = 2
"""Shards under way for each that can run: a worker never waits for the next, and few results for the disk."""

POLL = 0.1
"""Seconds after which one of several pieces of work looks whether its turn has come."""

KEPT = 2
"""What makes shards, of how many jobs a worker holds it: where one ends, another begins."""


@final
@dataclass(frozen=True, kw_only=True)
class OnRay(Execution):
    """The cluster at `address`; without one, this machine. `gpus`: what a task takes of one.

    Tasks of a study read the images and write their directories themselves: all machines need the same paths.
    """

    address: str = ""
    gpus: float = 0.0

    def made(
        self, make: Make, indices: Sequence[int], inside: Callable[[int], Progress]
    ) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
        """Each shard as it is done, in any order; what happens inside a shard is not reported."""
        if not indices:
            return
        ray, threads = _connected(self.address), torch.get_num_threads()
        needed = {"num_cpus": threads, "num_gpus": self.gpus}
        ahead = AHEAD * _slots(ray, needed)
        task = ray.remote(**needed, max_retries=RETRIES)(_make)
        kept = None  # not before its turn: it holds the images, and the store of objects has room for few of these
        waiting, turn = list(reversed(indices)), my_turn()
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < ahead and (turn is None or turn.may_send()):
                    kept = kept or ray.put(make)
                    index = waiting.pop()
                    running[task.remote([kept], index, threads)] = index
                if turn is not None:
                    turn.has_sent = not waiting
                with while_waiting():
                    ready = _ready(ray, list(running), None if turn is None else POLL)
                for done in ready:
                    with _errors_of(ray):
                        tensors = ray.get(done)
                    yield running.pop(done), tensors
        finally:
            for left in running:
                ray.cancel(left, force=True)

    def together(self, works: Sequence[Callable[[], Value]]) -> list[Value]:
        return in_turns(works)

    def done(self, work: Callable[[Progress], Value], progress: Progress) -> Value:
        ray, threads = _connected(self.address), torch.get_num_threads()
        needed = {"num_cpus": threads, "num_gpus": self.gpus}
        _slots(ray, needed)
        task = ray.remote(**needed, max_retries=RETRIES)(_do)
        progress(0, 1, "somewhere in the cluster")
        with _errors_of(ray):
            found: Value = ray.get(task.remote(work, threads))
        progress(1, 1, "")
        return found

    @contextmanager
    def crew(self, workers: int, threads: int) -> Iterator[Crew]:
        ray = _connected(self.address)
        crew = _Tasks(ray, {"num_cpus": threads, "num_gpus": self.gpus}, threads)
        try:
            with _errors_of(ray):
                yield crew
        finally:
            crew.end()


def _ready(ray: Any, running: list[Any], timeout: float | None) -> list[Any]:
    if not running:
        time.sleep(POLL)
        return []
    ready, _ = ray.wait(running, num_returns=1, timeout=timeout)
    return list(ready)


@final
class _Tasks(Crew):
    """What is begun here runs somewhere in the cluster; what it reports is collected beside the driver."""

    def __init__(self, ray: Any, needed: Mapping[str, float], threads: int) -> None:
        self.slots = _slots(ray, needed)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self._ray, self._threads = ray, threads
        self._begun: list[Any] = []
        self._mailbox = ray.remote(num_cpus=0, scheduling_strategy=here)(_Mailbox).remote()
        self._task = ray.remote(**needed, max_retries=RETRIES)(_run)

    def begin(self, task: Task, stage: str) -> Future[None]:
        self._begun.append(self._task.remote(task, self._mailbox, self._threads))
        return self._begun[-1].future()

    def messages(self) -> Iterator[Message]:
        yield from self._ray.get(self._mailbox.taken.remote())

    def end(self) -> None:
        for one in self._begun:
            self._ray.cancel(one, force=True)
        self._ray.kill(self._mailbox)


class _Mailbox:
    """The last that each stage reported and nobody has taken."""

    def __init__(self) -> None:
        self._kept: dict[str, Message] = {}

    def put(self, message: Message) -> None:
        self._kept[message[0]] = message

    def taken(self) -> list[Message]:
        kept, self._kept = self._kept, {}
        return list(kept.values())


def _run(task: Task, mailbox: Any, threads: int) -> None:
    """In a worker: a task, and what it reports sent home a few times a second."""
    import ray

    _prepare(ray, threads)

    def watch(stage: str) -> Progress:
        sent = 0.0

        def send(done: int, total: int, note: str) -> None:
            nonlocal sent
            if done == total or time.monotonic() - sent > 0.2:
                sent = time.monotonic()
                mailbox.put.remote((stage, done, total, note))

        return send

    task(watch)


_made: Recent[Make] = Recent(lambda make: 1, most=KEPT)


def _make(kept: list[Any], index: int, threads: int) -> dict[str, Tensor]:
    """In a worker: what makes shards is read once, and held until others are asked for."""
    import ray

    (ref,) = kept
    _prepare(ray, threads)
    make = _made.get(ref.hex(), lambda: ray.get(ref))
    return {name: tensor.cpu() for name, tensor in make(index, silent).items()}


def _do(work: Callable[[Progress], Value], threads: int) -> Value:
    """In a worker: one piece of work."""
    import ray

    _prepare(ray, threads)
    return work(silent)


def _prepare(ray: Any, threads: int) -> None:
    """A worker does first what every process of ours does."""
    _share_tensors(ray)
    torch.set_num_threads(threads)
    keep_freed_memory()


def _connected(address: str) -> Any:
    """Ray, until this process ends. Raises NotbugsError without Ray, and without a cluster there."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
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
            ray.init(
                address=address or "local", include_dashboard=False, log_to_driver=False,
                logging_level=logging.CRITICAL,
            )  # fmt: skip
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = (
                f"no Ray cluster answers at {address}" if address else "Ray does not start on this machine"
            )
            raise NotbugsError(f"{where}: {str(error).strip().splitlines()[0]}") from error
    _share_tensors(ray)
    return ray


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
def _errors_of(ray: Any) -> Iterator[None]:
    """What a task raised, as if it had been done here; what befell it, in one line."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        said = str(error).strip().splitlines()[0]
        raise NotbugsError(
            f"the cluster gave up after {RETRIES} tries ({said}); the same command goes on where it was"
        ) from error


def _slots(ray: Any, needed: Mapping[str, float]) -> int:
    """How many tasks can run at once. Raises NotbugsError if no machine of the cluster has what one takes."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU"}
    wanted = {names[kind]: count for kind, count in needed.items() if count}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    slots = sum(int(min(has.get(name, 0) / count for name, count in wanted.items())) for has in machines)
    if not slots:
        said = " and ".join(f"{count:g} {name}" for name, count in wanted.items())
        raise NotbugsError(f"no machine of the cluster has the {said} that a task takes; see OMP_NUM_THREADS")
    return slots


def _share_tensors(ray: Any) -> None:
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


__all__ = ["OnRay"]
