"""The head of a cluster, watched: Ray ends a process that has lost it after a minute, and says nothing."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from notbugs.locations import forget_copies

LOST = 45.0
"""Seconds without an answer after which the head is given up: Ray ends the process after 60."""

EVERY = 3.0
"""Seconds between two questions."""


def watch_head(
    host: str, port: int, *, lost: float = LOST, every: float = EVERY, then: Callable[[], None] | None = None
) -> None:
    """From now on: when nobody has listened there for `lost` seconds, say so and end (or do what is `then` to do)."""

    def watch() -> None:
        heard = time.monotonic()
        while time.monotonic() - heard < lost:
            with suppress(OSError):
                socket.create_connection((host, port), timeout=every).close()
                heard = time.monotonic()
            time.sleep(every)
        logging.getLogger("notbugs").error(
            "the cluster's head at %s:%d has gone; the same command goes on with what was finished",
            host,
            port,
        )
        (then or _end)()

    threading.Thread(target=watch, name="watch-head", daemon=True).start()


def _end() -> None:
    forget_copies()
    os._exit(2)  # the other threads wait for answers of the head, and it will be Ray that ends them


__all__ = ["watch_head"]
