"""Stages of a study on a Ray cluster: each a task somewhere, and what it reports collected beside the driver."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, final

from notbugs.cluster.connection import RETRIES, Settings, prepare, settings_here, slots_of
from notbugs.cluster.heard import heard, repeat
from notbugs.execution import Crew, Message, Task
from notbugs.progress import Progress
from notbugs.turns import Floor, Turn

SEND = 0.2
"""Seconds between two reports of a stage."""


@final
class Tasks(Crew):
    """What is begun here is a task of the cluster, or, if it gives its own work to the cluster, a thread of ours.

    A task that waits for others keeps its GPU, which they may need.
    """

    def __init__(self, ray: Any, needed: Mapping[str, float], threads: int) -> None:
        slots = slots_of(ray, needed)
        self.slots = sum(slots)
        beside = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self._ray, self._settings = ray, settings_here(threads, slots)
        self._begun: list[Any] = []
        self._mailbox = ray.remote(num_cpus=0, scheduling_strategy=beside)(_Mailbox).remote()
        self._task = ray.remote(**needed, max_retries=RETRIES)(_run)
        self._floor, self._threads = Floor(), ThreadPoolExecutor()
        self._said: SimpleQueue[Message] = SimpleQueue()

    def begin(self, task: Task, stage: str, *, hands_on: bool = False) -> Future[None]:
        if hands_on:
            turn = Turn(self._floor, threads=self._settings.threads)
            return self._threads.submit(turn.take, partial(task, self._watch))
        self._begun.append(self._task.remote(task, self._mailbox, self._settings))
        found: Future[None] = self._begun[-1].future()
        return found

    def messages(self) -> Iterator[Message]:
        try:
            while True:
                yield self._said.get_nowait()
        except Empty:
            messages, warnings = self._ray.get(self._mailbox.taken.remote())
            repeat(warnings)
            yield from messages

    def end(self) -> None:
        self._floor.close()
        for one in self._begun:
            self._ray.cancel(one, force=True)
        self._threads.shutdown()
        self._ray.kill(self._mailbox)

    def _watch(self, stage: str) -> Progress:
        return lambda done, total, note: self._said.put((stage, done, total, note))


class _Mailbox:
    """The last that each stage reported and nobody has taken, and all that they warned of."""

    def __init__(self) -> None:
        self._kept: dict[str, Message] = {}
        self._warnings: list[str] = []

    def put(self, message: Message) -> None:
        self._kept[message[0]] = message

    def warn(self, warning: str) -> None:
        self._warnings.append(warning)

    def taken(self) -> tuple[list[Message], list[str]]:
        kept, self._kept = self._kept, {}
        warnings, self._warnings = self._warnings, []
        return list(kept.values()), warnings


def _run(task: Task, mailbox: Any, settings: Settings) -> None:
    """In a worker: a task, and what it reports sent home a few times a second."""
    import ray

    prepare(ray, settings)

    def watch(stage: str) -> Progress:
        sent = 0.0

        def send(done: int, total: int, note: str) -> None:
            nonlocal sent
            if done == total or time.monotonic() - sent > SEND:
                sent = time.monotonic()
                mailbox.put.remote((stage, done, total, note))

        return send

    with heard(lambda warning: ray.get(mailbox.warn.remote(warning))):
        task(watch)


__all__ = ["Tasks"]
