"""Where work runs. A shard is the unit: idempotent, written atomically, found again after anything that kills."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from notbugs.data.shards import shard_path, write_tensors
from notbugs.errors import NotbugsError
from notbugs.hardware import keep_freed_memory
from notbugs.progress import Progress, silent

Watch = Callable[[str], Progress]
"""Called with the name of each stage as it begins; gives the progress to report it to."""

Task = Callable[[Watch], None]
"""A piece of work that leaves its result on disk; it must be importable by another process."""


def map_shards(
    make: Callable[[int], Mapping[str, Tensor]],
    count: int,
    directory: Path,
    *,
    progress: Progress = silent,
) -> list[Path]:
    """Make the shards that `directory` still lacks, in this process. Returns the paths of all of them.

    A shard is tensors by name: a part of a data set (`shard_of`), or what was found out about one.
    """
    paths = [shard_path(directory, index) for index in range(count)]
    for index, path in enumerate(paths):
        if not path.exists():
            write_tensors(make(index), path)
        progress(index + 1, count, "shards")
    return paths


def side_by_side(
    tasks: Mapping[str, Task], *, after: Mapping[str, Collection[str]], workers: int, watch: Watch
) -> None:
    """Run tasks in `workers` processes, each with its share of the threads; `after` names what a task waits for.

    Of those that can begin, the first in order begins. A small network on a CPU gains little from a second thread,
    and loses much when something else wants the core; a second process gains nearly all. Tasks are told apart by
    what they write: run directories, nothing is returned. The first error ends all of them and is raised here.
    """
    context = multiprocessing.get_context("spawn")
    messages = context.SimpleQueue()  # written to without a thread: what a task said is there when it is done
    # Its closing, by us or by our death, tells the workers to end.
    wanted, unwanted = context.Pipe(duplex=False)
    threads = max(1, torch.get_num_threads() // workers)
    reports: dict[str, Progress] = {}

    def pass_on() -> None:
        while not messages.empty():
            stage, done, total, note = messages.get()
            if stage not in reports:
                reports[stage] = watch(stage)
            reports[stage](done, total, note)

    with ProcessPoolExecutor(workers, context, _begin, (messages, wanted, threads)) as pool:
        waiting = dict(tasks)
        running: dict[str, Future[None]] = {}
        try:
            while waiting or running:
                unfinished = {*waiting, *running}
                ready = [name for name in waiting if unfinished.isdisjoint(after.get(name, ()))]
                for name in ready[: workers - len(running)]:
                    running[name] = pool.submit(waiting.pop(name), _report)
                if not running:
                    raise ValueError(f"tasks that wait for each other: {sorted(waiting)}")
                wait(running.values(), timeout=0.1, return_when=FIRST_COMPLETED)
                pass_on()
                for name in [name for name, one in running.items() if one.done()]:
                    running.pop(name).result()
            pass_on()
        except BrokenProcessPool as error:
            raise NotbugsError(
                "a worker process was killed, most likely because memory ran out; the same command goes on where "
                "it was"
            ) from error
        finally:
            unwanted.close()  # also after an error or Ctrl-C: nobody waits for work that nobody wants


_messages: Any = None


def _begin(messages: Any, wanted: Connection, threads: int) -> None:
    """What a worker does first: one channel home, its threads, and an end with its parent's."""
    global _messages
    _messages = messages
    torch.set_num_threads(threads)
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its workers

    def follow() -> None:
        with suppress(EOFError, OSError):
            wanted.recv_bytes()
        os._exit(1)  # work left behind would run beside its own repetition

    threading.Thread(target=follow, daemon=True).start()


def _report(stage: str) -> Progress:
    """The progress of a stage in a worker: sent home."""

    def send(done: int, total: int, note: str) -> None:
        _messages.put((stage, done, total, note))

    return send
