"""What was read last, kept while there is room: reading some rows of a file again need not open it again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from threading import Lock
from typing import Any, Generic, TypeVar, final

from notbugs.memory import available_memory, sharing

SHARE = 1 / 8
"""Of the memory that was left when the first thing was kept: for all processes that read at once together."""

Value = TypeVar("Value")


@final
class Recent(Generic[Value]):
    """Values by key, the longest unused forgotten first; `most` bytes of them. Another process begins with none.
    By default they are an eighth of the memory that is left, divided by those that share it: `processes` of each.

    >>> squares = Recent[int](lambda value: 8, most=16)
    >>> [squares.get(n, lambda n=n: n * n) for n in (1, 2, 3, 1)], squares.keys()
    ([1, 4, 9, 1], [3, 1])
    """

    def __init__(self, size: Callable[[Value], int], *, most: int | None = None, processes: int = 1) -> None:
        self._size, self._most, self._processes, self._lock = size, most, processes, Lock()
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, read: Callable[[], Value]) -> Value:
        with self._lock:
            if self._most is None:
                self._most = int(SHARE * available_memory() / (self._processes * sharing()))
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        value = read()  # by two threads at once, perhaps, rather than one after the other
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > 1 and sum(map(self._size, self._kept.values())) > self._most:
                self._kept.popitem(last=False)
        return value

    def keys(self) -> list[Hashable]:
        return list(self._kept)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Recent, processes=self._processes), (self._size,)


__all__ = ["Recent"]
