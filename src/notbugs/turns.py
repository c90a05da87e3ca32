"""Several pieces of work in one process, of which one goes on at a time: when it waits for something, another does.

Threads share models and random state, so two that compute at once would be in each other's way; but nothing is lost
by going on with the second while the first waits for a cluster.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, final

Value = TypeVar("Value")


class StoppedError(Exception):
    """Another piece of work has failed: nobody wants this one."""


_mine: ContextVar["Turn | None"] = ContextVar("turn", default=None)


@final
class Floor:
    """What one thread at a time has."""

    def __init__(self) -> None:
        self.held, self._over = threading.Lock(), threading.Event()

    def close(self) -> None:
        """Whoever takes the floor from now on ends by StoppedError."""
        self._over.set()

    def require_open(self) -> None:
        if self._over.is_set():
            raise StoppedError


@final
class Turn:
    """One of several pieces of work: it has the floor but for when it waits.

    `threads`: how many those have to whom it gives its parts; None: as many as this process.
    """

    def __init__(self, floor: Floor, before: "Turn | None" = None, *, threads: int | None = None) -> None:
        self._floor, self._before, self.threads = floor, before, threads
        self.has_sent = False
        """Whether all that this one gives to others is with them: those after it may give theirs."""

    def may_send(self) -> bool:
        return self._before is None or (self._before.has_sent and self._before.may_send())

    def take(self, work: Callable[[], Value]) -> Value:
        """What `work` gives, with the floor."""
        with self._floor.held:
            self._floor.require_open()
            token = _mine.set(self)
            try:
                return work()
            finally:
                self.has_sent = True
                _mine.reset(token)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self._floor.held.release()
        try:
            yield
        finally:
            self._floor.held.acquire()
        self._floor.require_open()


def my_turn() -> Turn | None:
    """That of this thread, if it has one."""
    return _mine.get()


@contextmanager
def while_waiting() -> Iterator[None]:
    """In this `with` block others may go on, if there are any."""
    turn = my_turn()
    if turn is None:
        yield
    else:
        with turn.waiting():
            yield


def interleave(works: Sequence[Callable[[], Value]]) -> list[Value]:
    """What each gives. The first error ends all of them, at the next thing that they wait for, and is raised here.

    >>> interleave([lambda: 1, lambda: 2])
    [1, 2]
    """
    floor, turns, around = Floor(), list[Turn](), my_turn()
    for _ in works:
        turns.append(Turn(floor, turns[-1] if turns else None, threads=around.threads if around else None))
    with ThreadPoolExecutor(max(1, len(works))) as pool:
        running = [pool.submit(turn.take, work) for turn, work in zip(turns, works, strict=True)]
        try:
            for one in as_completed(running):
                one.result()
        except BaseException:
            floor.close()
            raise
    return [one.result() for one in running]


__all__ = ["Floor", "StoppedError", "Turn", "interleave", "my_turn", "while_waiting"]
