"""How long work says how far it is: a callable, so that no library code knows about terminals."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with (units done, units in all, a short note such as the current loss)."""


def silent(done: int, total: int, note: str) -> None:
    """The progress of a caller who does not look."""
