"""Where work runs. A shard is the unit: idempotent, written atomically, found again after anything that kills."""

import logging
import multiprocessing
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar, final

import torch
from torch import Tensor

from notbugs.data.shards import is_whole, shard_path, write_tensors
from notbugs.errors import NotbugsError
from notbugs.hardware import keep_freed_memory
from notbugs.locations import Location, forget_copies
from notbugs.memory import share_memory
from notbugs.parts import Make, made_here
from notbugs.progress import Progress, silent

Watch = Callable[[str], Progress]
"""Called with the name of each stage as it begins; gives the progress to report it to."""

Task = Callable[[Watch], None]
"""A piece of work that leaves its result on disk; it must be importable by another process."""

Message = tuple[str, int, int, str]
"""A stage and what it reported: done, total, note."""


Value = TypeVar("Value")


class Execution(ABC):
    """Where shards are made. Subclasses are final frozen values; all of them give the same bytes."""

    @abstractmethod
    def made(
        self, make: Make, indices: Sequence[int], inside: Callable[[int], Progress]
    ) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
        """Each shard as it is done; `inside` gives the progress of what happens in one."""

    @abstractmethod
    def done(self, work: Callable[[Progress], Value], progress: Progress) -> Value:
        """What one piece of work gives."""

    @abstractmethod
    def interleaved(self, works: Sequence[Callable[[], Value]]) -> list[Value]:
        """What each of several pieces of work that call `made` gives; where it can, one does not wait for another.

        They run in this process and never two at once: one goes on where another waits for its shards.
        """

    @abstractmethod
    def crew(self, workers: int, threads: int) -> AbstractContextManager["Crew"]:
        """Those that tasks are given to, with so many threads each; none of them outlives the `with` block."""


class Crew(ABC):
    """Workers that tasks are given to."""

    slots: int
    """How many tasks can run at once."""

    @abstractmethod
    def begin(self, task: Task, stage: str, *, hands_on: bool = False) -> Future[None]:
        """Have a task done; what it reports comes as messages of that stage.

        `hands_on`: it gives its work to the same execution, shard by shard, and waits rather than works.
        """

    @abstractmethod
    def messages(self) -> Iterator[Message]:
        """What has been reported since the last call."""


@final
@dataclass(frozen=True)
class Local(Execution):
    """This process, one after the other."""

    def made(
        self, make: Make, indices: Sequence[int], inside: Callable[[int], Progress]
    ) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
        return made_here(make, indices, inside)

    def done(self, work: Callable[[Progress], Value], progress: Progress) -> Value:
        return work(progress)

    def interleaved(self, works: Sequence[Callable[[], Value]]) -> list[Value]:
        return [work() for work in works]

    @contextmanager
    def crew(self, workers: int, threads: int) -> Iterator[Crew]:
        context = multiprocessing.get_context("spawn")
        # Written to without a thread: what a task said is there when it is done.
        messages = context.SimpleQueue()
        # Its closing, by us or by our death, tells the workers to end.
        wanted, unwanted = context.Pipe(duplex=False)
        with ProcessPoolExecutor(workers, context, _begin, (messages, wanted, workers, threads)) as pool:
            try:
                yield _Processes(pool, workers, messages)
            except BrokenProcessPool as error:
                raise NotbugsError(
                    "a worker process was killed, most likely because memory ran out; the same command goes on where "
                    "it was"
                ) from error
            finally:
                unwanted.close()  # also after an error or Ctrl-C: nobody waits for work that nobody wants


@final
class _Processes(Crew):
    def __init__(self, pool: ProcessPoolExecutor, slots: int, messages: Any) -> None:
        self.slots, self._pool, self._messages = slots, pool, messages

    def begin(self, task: Task, stage: str, *, hands_on: bool = False) -> Future[None]:
        return self._pool.submit(task, _report)

    def messages(self) -> Iterator[Message]:
        while not self._messages.empty():
            yield self._messages.get()


LOCAL = Local()


def map_shards(
    make: Make,
    count: int,
    directory: Location,
    *,
    progress: Progress = silent,
    inside: Callable[[int], Progress] = lambda index: silent,
    on: Execution = LOCAL,
) -> list[Location]:
    """Make the shards that `directory` still lacks. Returns the paths of all of them.

    A shard is tensors by name: a part of a data set (`shard_of`), or what was found out about one. One that is
    damaged is made again.
    """
    paths = [shard_path(directory, index) for index in range(count)]
    missing = [index for index, path in enumerate(paths) if not is_whole(path)]
    for index in missing:
        if paths[index].exists():
            logging.getLogger("notbugs").warning("%s is damaged: it is made again", paths[index])
    if len(missing) < count:
        progress(count - len(missing), count, "shards")
    for number, (index, tensors) in enumerate(on.made(make, missing, inside), start=count - len(missing) + 1):
        write_tensors(tensors, paths[index])
        progress(number, count, "shards")
    return paths


def side_by_side(
    tasks: Mapping[str, Task],
    *,
    after: Mapping[str, Collection[str]],
    workers: int,
    watch: Watch,
    on: Execution = LOCAL,
    hands_on: Collection[str] = (),
) -> None:
    """Run tasks in `workers` processes, each with its share of the threads; `after` names what a task waits for,
    `hands_on` those that give their own work to `on`.

    Of those that can begin, the first in order begins. A small network on a CPU gains little from a second thread,
    and loses much when something else wants the core; a second process gains nearly all. A cluster takes as many
    as it has room for, with as many threads each. Tasks are told apart by what they write: run directories, nothing
    is returned. The first error ends all of them and is raised here.
    """
    reports: dict[str, Progress] = {}
    with on.crew(workers, max(1, torch.get_num_threads() // workers)) as crew:

        def pass_on() -> None:
            for stage, done, total, note in crew.messages():
                if stage not in reports:
                    reports[stage] = watch(stage)
                reports[stage](done, total, note)

        waiting = dict(tasks)
        running: dict[str, Future[None]] = {}
        while waiting or running:
            unfinished = {*waiting, *running}
            ready = [name for name in waiting if unfinished.isdisjoint(after.get(name, ()))]
            for name in ready[: crew.slots - len(running)]:
                running[name] = crew.begin(waiting.pop(name), name, hands_on=name in hands_on)
            if not running:
                raise ValueError(f"tasks that wait for each other: {sorted(waiting)}")
            wait(running.values(), timeout=0.1, return_when=FIRST_COMPLETED)
            pass_on()
            for name in [name for name, one in running.items() if one.done()]:
                running.pop(name).result()
        pass_on()


_messages: Any = None


def _begin(messages: Any, wanted: Connection, workers: int, threads: int) -> None:
    """What a worker does first: one channel home, its threads, and an end with its parent's."""
    global _messages
    _messages = messages
    torch.set_num_threads(threads)
    keep_freed_memory()
    share_memory(workers)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its workers

    def follow() -> None:
        with suppress(EOFError, OSError):
            wanted.recv_bytes()
        forget_copies()
        os._exit(1)  # work left behind would run beside its own repetition

    threading.Thread(target=follow, daemon=True).start()


def _report(stage: str) -> Progress:
    """The progress of a stage in a worker: sent home."""

    def send(done: int, total: int, note: str) -> None:
        _messages.put((stage, done, total, note))

    return send
