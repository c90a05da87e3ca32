"""A value that is made when it is first asked for, and only where it is."""

from collections.abc import Callable
from typing import Generic, TypeVar, final

T = TypeVar("T")


@final
class Once(Generic[T]):
    """What `make` gives, made by the first call and kept. Sent to another process it is made there again.

    >>> value = Once(lambda: print("made") or 3)
    >>> value() + value()
    made
    6
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []

    def __call__(self) -> T:
        if not self._made:
            self._made.append(self._make())
        return self._made[0]

    def __reduce__(self) -> tuple[type["Once[T]"], tuple[Callable[[], T]]]:
        return Once, (self._make,)


__all__ = ["Once"]
