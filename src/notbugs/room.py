"""When memory runs out in the middle: the same work on half as many images at a time, the same but for rounding."""

import logging
from collections.abc import Callable
from functools import cache
from typing import final

import torch
from torch import Tensor


@final
class Room:
    """How many images fit at once: all, until memory runs out; then half as many, and half of these.

    >>> Room(4).over(lambda rows: (rows if rows is not None else torch.arange(4),), 4)
    (tensor([0, 1, 2, 3]),)
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def over(self, work: Callable[[Tensor | None], tuple[Tensor, ...]], count: int) -> tuple[Tensor, ...]:
        """`work` on all rows (None), or on some after the other, if a row's result depends on no other row.

        Raises what `work` raises, also where one image alone does not fit.
        """
        while True:
            try:
                if self.count >= count:
                    return work(None)
                parts = [work(rows) for rows in torch.arange(count).split(self.count)]
                return tuple(torch.cat(part) for part in zip(*parts, strict=True))
            except (RuntimeError, MemoryError) as error:
                if self.count <= 1 or not is_out_of_memory(error):
                    raise
                before = min(self.count, count)
                self.count = (before + 1) // 2
            # Only here, where the error with all that it holds on to is gone.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            _say(before, self.count)


def is_out_of_memory(error: BaseException) -> bool:
    """An accelerator's allocator raises a class of its own, the CPU's a RuntimeError like any other."""
    said = (
        "DefaultCPUAllocator", "Cannot allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED",
        "backend out of memory",
    )  # fmt: skip
    own = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return own or any(text in str(error) for text in said)


@cache
def _say(before: int, now: int) -> None:
    """Once: every search may find it out anew."""
    logging.getLogger("notbugs").warning("out of memory with %d images at once: %d at a time", before, now)


__all__ = ["Room", "is_out_of_memory"]
