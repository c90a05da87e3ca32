"""Randomness is an argument: generators derived from a seed and a path, never from the global state.

The path names the draw (epoch, step, shard, ...), so that any draw can be repeated without
repeating those before it. That is what makes resume exact and shards independent.
"""

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import torch


def derived_seed(seed: int, *path: int | str) -> int:
    """A 63-bit seed for one named draw.

    >>> derived_seed(0, "train", 3) == derived_seed(0, "train", 3)
    True
    >>> derived_seed(0, "train", 3) == derived_seed(0, "train", 4)
    False
    """
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *path: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on `device` for one named draw."""
    return torch.Generator(device=device).manual_seed(derived_seed(seed, *path))


@final
@dataclass(frozen=True)
class Rows:
    """Rows `first`, ..., `last` - 1 of a batch of `of`: draws are made for the whole batch and a part of it takes its
    share, so that they do not depend on how it is divided, over threads or over machines.

    >>> [rows.share("abcde") for rows in Rows.whole(5).split(2)]
    ['abc', 'de']
    """

    first: int
    last: int
    of: int

    @staticmethod
    def whole(count: int) -> "Rows":
        return Rows(0, count, count)

    @property
    def count(self) -> int:
        return self.last - self.first

    def share(self, drawn: Any) -> Any:
        """Of what was drawn for the whole batch, what belongs to these rows."""
        return drawn[self.first : self.last]

    def split(self, parts: int) -> "list[Rows]":
        """Parts of nearly equal size, as `torch.tensor_split` makes them."""
        size, larger = divmod(self.count, parts)
        ends = [self.first + number * size + min(number, larger) for number in range(parts + 1)]
        return [Rows(first, last, self.of) for first, last in pairwise(ends)]
