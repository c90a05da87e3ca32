"""A shard is a task with declared resources.

What it needs (model, images) is put into the object store once, and read in place by all workers of a machine. When a
worker dies, or its machine, Ray gives the task to another.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import torch
from torch import Tensor

from notbugs.cluster.connection import (
    RETRIES,
    Settings,
    connected,
    errors_of,
    prepare,
    resources,
    settings_here,
    slots_of,
)
from notbugs.cluster.heard import heard, repeat
from notbugs.cluster.stages import Tasks
from notbugs.data.recent import Recent
from notbugs.execution import Crew, Execution, Value
from notbugs.parts import Make
from notbugs.progress import Progress, silent
from notbugs.turns import interleave, my_turn, while_waiting

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

    Stages of a study read the images and write their directories themselves: all machines need the same paths.
    """

    address: str = ""
    gpus: float = 0.0

    def made(
        self, make: Make, indices: Sequence[int], inside: Callable[[int], Progress]
    ) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
        """Each shard as it is done, in any order; what happens inside a shard is not reported."""
        if not indices:
            return
        ray, turn = connected(self.address), my_turn()
        # A stage's parts have the threads that the stage has where there is no cluster: others round otherwise.
        threads = (turn.threads if turn else None) or torch.get_num_threads()
        needed = resources(ray, self.gpus, threads)
        slots = slots_of(ray, needed)
        ahead, settings = AHEAD * sum(slots), settings_here(threads, slots)
        task = _shard_task(ray, **needed)
        kept = None  # before its turn: it holds the images, and the object store has room for few of these
        waiting = list(reversed(indices))
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < ahead and (turn is None or turn.may_send()):
                    with errors_of(ray):
                        kept = kept or ray.put(make)
                    index = waiting.pop()
                    running[task.remote([kept], index, settings)] = index
                if turn is not None:
                    turn.has_sent = not waiting
                with while_waiting():
                    ready = _ready(ray, list(running), None if turn is None else POLL)
                for done in ready:
                    with errors_of(ray):
                        tensors, warnings = ray.get(done)
                    repeat(warnings)
                    yield running.pop(done), tensors
        finally:
            for left in running:
                ray.cancel(left, force=True)

    def interleaved(self, works: Sequence[Callable[[], Value]]) -> list[Value]:
        return interleave(works)

    def done(self, work: Callable[[Progress], Value], progress: Progress) -> Value:
        ray, threads = connected(self.address), torch.get_num_threads()
        needed = resources(ray, self.gpus, threads)
        settings = settings_here(threads, slots_of(ray, needed))
        task = ray.remote(**needed, max_retries=RETRIES)(_do)
        progress(0, 1, "somewhere in the cluster")
        with errors_of(ray):
            found, warnings = ray.get(task.remote(work, settings))
        repeat(warnings)
        progress(1, 1, "")
        value: Value = found
        return value

    @contextmanager
    def crew(self, workers: int, threads: int) -> Iterator[Crew]:
        ray = connected(self.address)
        crew = Tasks(ray, resources(ray, self.gpus, threads), threads)
        try:
            with errors_of(ray):
                yield crew
        finally:
            crew.end()


@cache
def _shard_task(ray: Any, *, num_cpus: float, num_gpus: float) -> Any:
    """One for all pieces of work: Ray keeps the order of one task's calls, not of several tasks'."""
    return ray.remote(num_cpus=num_cpus, num_gpus=num_gpus, max_retries=RETRIES)(_make)


def _ready(ray: Any, running: list[Any], timeout: float | None) -> list[Any]:
    if not running:  # others have their turn
        time.sleep(POLL)
        return []
    ready, _ = ray.wait(running, num_returns=1, timeout=timeout)
    return list(ready)


_made: Recent[Make] = Recent(lambda make: 1, most=KEPT)


def _make(kept: list[Any], index: int, settings: Settings) -> tuple[dict[str, Tensor], list[str]]:
    """In a worker: a shard and its warnings. What makes shards is read once, and held until others are asked for."""
    import ray

    (ref,) = kept
    prepare(ray, settings)
    make = _made.get(ref.hex(), lambda: ray.get(ref))
    warnings: list[str] = []
    with heard(warnings.append):
        return {name: tensor.cpu() for name, tensor in make(index, silent).items()}, warnings


def _do(work: Callable[[Progress], Value], settings: Settings) -> tuple[Value, list[str]]:
    """In a worker: one piece of work, and its warnings."""
    import ray

    prepare(ray, settings)
    warnings: list[str] = []
    with heard(warnings.append):
        return work(silent), warnings


__all__ = ["OnRay"]
