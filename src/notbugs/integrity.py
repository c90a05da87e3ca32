"""Whether named tensors are those that were written: their digest, kept beside them."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

DIGEST = "sha256"
"""The metadata key in a safetensors file."""


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, in the order of the names.

    >>> digest_of({"a": torch.zeros(2)}) == digest_of({"a": torch.zeros(1, 2)})
    False
    """
    hasher = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hasher.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


def is_intact(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bool:
    """Whether their digest is the one that is kept; also where none is, as in files of before."""
    return DIGEST not in metadata or metadata[DIGEST] == digest_of(tensors)


__all__ = ["DIGEST", "digest_of", "is_intact"]
