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

_mine: ContextVar["Turn | None"] = ContextVar("turn", default=None)


@final
class Turn:
    """One of several pieces of work, in their order."""

    def __init__(self, before: "Turn | None", floor: threading.Lock, stop: threading.Event) -> None:
        self._before, self._floor, self._stop = before, floor, stop
        self.has_sent = False
        """Whether all that this one gives to others is with them: those after it may give theirs."""

    def may_send(self) -> bool:
        return self._before is None or (self._before.has_sent and self._before.may_send())

    @contextmanager
    def on_the_floor(self) -> Iterator[None]:
        """Nobody else goes on meanwhile."""
        with self._floor:
            token = _mine.set(self)
            try:
                yield
            finally:
                self.has_sent = True
                _mine.reset(token)

    @contextmanager
    def off_the_floor(self) -> Iterator[None]:
        self._floor.release()
        try:
            yield
        finally:
            self._floor.acquire()
        if self._stop.is_set():
            raise StoppedError


class StoppedError(Exception):
    """Another piece of work has failed: nobody wants this one."""


def my_turn() -> Turn | None:
    """That of this thread, if `in_turns` began it."""
    return _mine.get()


@contextmanager
def while_waiting() -> Iterator[None]:
    """In this `with` block others may go on, if there are any."""
    turn = my_turn()
    if turn is None:
        yield
    else:
        with turn.off_the_floor():
            yield


def in_turns(works: Sequence[Callable[[], Value]]) -> list[Value]:
    """What each gives. The first error ends all of them, at the next thing that they wait for, and is raised here.

    >>> in_turns([lambda: 1, lambda: 2])
    [1, 2]
    """
    floor, stop = threading.Lock(), threading.Event()
    turns: list[Turn] = []
    for _ in works:
        turns.append(Turn(turns[-1] if turns else None, floor, stop))

    def go(turn: Turn, work: Callable[[], Value]) -> Value:
        with turn.on_the_floor():
            return work()

    with ThreadPoolExecutor(max(1, len(works))) as pool:
        running = [pool.submit(go, turn, work) for turn, work in zip(turns, works, strict=True)]
        try:
            for one in as_completed(running):
                one.result()
        except BaseException:
            stop.set()
            raise
    return [one.result() for one in running]


__all__ = ["Turn", "in_turns", "my_turn", "while_waiting"]
