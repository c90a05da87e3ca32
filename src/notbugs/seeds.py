"""Randomness is an argument: generators derived from a seed and a path, never from the global state.

The path names the draw (epoch, step, shard, ...), so that any draw can be repeated without
repeating those before it. That is what makes resume exact and shards independent.
"""

import hashlib

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
