"""Independent parts of a batch, each on a core of its own.

A small network gains little from a second thread inside an operation, since every operation waits for the slower one,
and loses several-fold when something else wants the core. Parts that never meet gain nearly all of it.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")


def over_parts(work: Callable[[Part], Result], parts: Sequence[Part], *, threads: int) -> list[Result]:
    """`work` of every part, in order; with several threads at the same time, each operation on one of them.

    `work` must not touch what that of another part reads or writes, and draws from a generator of its own.

    >>> over_parts(lambda part: part.sum().item(), torch.arange(6).split(3), threads=2)
    [3, 12]
    """
    if threads == 1 or len(parts) < 2:
        return [work(part) for part in parts]
    follow, pool = _with_the_grad_mode_of_here(work), _pool(threads)
    running = [pool.submit(follow, part) for part in parts]
    try:
        return [one.result() for one in running]
    except Exception:  # raised again once all have ended: whoever is told of it may change what they read
        for one in running:
            one.cancel()
        wait(running)
        raise


def _with_the_grad_mode_of_here(work: Callable[[Part], Result]) -> Callable[[Part], Result]:
    """`torch.no_grad` holds for one thread; the others are to follow the one that asks."""
    enabled = torch.is_grad_enabled()

    def follow(part: Part) -> Result:
        with torch.set_grad_enabled(enabled):
            return work(part)

    return follow


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept for the whole process: a thread's first operation is slow."""
    before, all_there = torch.get_num_threads(), Barrier(threads + 1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="notbugs", initializer=_use_one_thread)
    for _ in range(threads):
        pool.submit(all_there.wait)
    all_there.wait()
    torch.set_num_threads(before)  # with which the caller's own threads start: the pool's have changed it
    return pool


def _use_one_thread() -> None:
    torch.get_num_threads()  # the first question settles a thread's number: asked later, it would undo the next line
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    # A forked process has the pool, but not its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)
