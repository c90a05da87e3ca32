"""What workers log, told where the command runs: what they write themselves stands in files that nobody reads."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import final

from notbugs.errors import note_users_place

_LOGGER = logging.getLogger("notbugs")


@contextmanager
def heard(tell: Callable[[str], object]) -> Iterator[None]:
    """In a worker: `tell` is called with every warning of ours, and an error says where in the user's code it was."""
    ear = _Ear(tell)
    _LOGGER.addHandler(ear)
    try:
        yield
    except Exception as error:
        note_users_place(error)
        raise
    finally:
        _LOGGER.removeHandler(ear)


def repeat(warnings: Iterable[str]) -> None:
    """In the driver: log them as if they had been its own."""
    for warning in warnings:
        _LOGGER.warning("%s", warning)


@final
class _Ear(logging.Handler):
    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


__all__ = ["heard", "repeat"]
