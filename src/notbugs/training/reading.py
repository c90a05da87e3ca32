"""Which images come when, and reading those that are on disk before they are wanted."""

from collections.abc import Iterable, Iterator
from typing import final

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from notbugs.data.stored import StoredImages
from notbugs.errors import NotbugsError
from notbugs.tensors import Images

TOGETHER = 500
"""Images that lie beside each other and are read together, where a buffer shuffles."""


def order_of(count: int, draw: torch.Generator, *, buffer: int = 0) -> Tensor:
    """All rows in a new order. With a `buffer`, rows that come soon after each other lie near each other: parts of
    500 in a new order, of whose images as many as the buffer holds are shuffled at a time.

    >>> sorted(order_of(5, torch.Generator().manual_seed(0), buffer=2).tolist())
    [0, 1, 2, 3, 4]
    """
    if not buffer:
        return torch.randperm(count, generator=draw)
    parts = torch.arange(count).split(TOGETHER)
    near = torch.cat([parts[place] for place in torch.randperm(len(parts), generator=draw).tolist()])
    return torch.cat([some[torch.randperm(len(some), generator=draw)] for some in near.split(buffer)])


def read_ahead(images: Images, batches: Iterable[Tensor], *, workers: int = 0) -> Iterator[Images]:
    """The images of one batch of rows after the other; of stored ones `workers` processes read the next meanwhile.

    Raises what reading them here would raise.
    """
    if not isinstance(images, StoredImages) or workers == 0:
        yield from (images[sent_to(images.device, rows)] for rows in batches)
        return
    loader = DataLoader(
        _Batches(images.to("cpu").shared_by(workers + 1)),  # this process reads as well: tests, for one
        sampler=(rows.cpu() for rows in batches),  # every worker would open the GPU that a row number is on
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn",  # a forked process would have our threads' locks, and not our threads
        generator=torch.Generator(),  # what it would draw from the global one is for nobody
        pin_memory=images.device.type == "cuda",
    )
    for read in loader:
        if isinstance(read, NotbugsError):
            raise read
        yield sent_to(images.device, read)


def sent_to(device: torch.device, tensor: Tensor) -> Tensor:
    """The tensor there; a GPU need not end its work first."""
    return tensor.to(device, non_blocking=device.type == "cuda")


@final
class _Batches(Dataset[Tensor | NotbugsError]):
    """What a worker is asked for: the images of a batch of rows, or what is wrong with them. An error that is raised
    there would come back as the text of its traceback.
    """

    def __init__(self, images: StoredImages) -> None:
        self._images = images

    def __getitem__(self, rows: Tensor) -> Tensor | NotbugsError:
        try:
            return self._images[rows]
        except NotbugsError as error:
            return error


__all__ = ["order_of", "read_ahead", "sent_to"]
