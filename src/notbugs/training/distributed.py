"""Data-parallel training: every rank holds the model and takes its own rows of each batch.

torch moves the data: DistributedDataParallel averages gradients, over nccl between GPUs and gloo between CPUs. Every
function here does nothing where a process is alone.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from notbugs.errors import NotbugsError
from notbugs.ranks import Ranks
from notbugs.training.global_batch_norm import GlobalBatchNorm

_TIMEOUT = timedelta(minutes=10)
"""How long a rank waits for another that is alive and does not come; a dead one is missed at once."""

MESSAGE = 500
"""Bytes of a mistake that other ranks are told."""


@contextmanager
def process_group(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Ranks find each other, by what torchrun has put into the environment, and part at the end.

    Raises NotbugsError if one of them is lost: torchrun then starts all again.

    Once DistributedDataParallel was there, threads of gloo outlive the group (torch 2.13), and now and then abort a
    process that has done everything. A script is safe from that if it ends with `os._exit(0)`, as our commands do.
    """
    if not ranks.several:
        yield
        return
    if device.type not in ("cpu", "cuda"):
        raise NotbugsError(f"several ranks train on cpu or cuda, not on {device.type}")
    on_gpus, went_well = device.type == "cuda", False
    if on_gpus:
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("nccl" if on_gpus else "gloo", timeout=_TIMEOUT)
        yield
        went_well = True
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise NotbugsError(
            "another rank is gone; with --max-restarts torchrun begins again at the last checkpoint, and so does "
            "the same command"
        ) from error
    finally:
        # After an error nccl would wait for ranks that wait for this one.
        if dist.is_initialized() and (went_well or not on_gpus):
            dist.destroy_process_group()


def data_parallel(model: nn.Module, ranks: Ranks) -> nn.Module:
    """What to call in place of `model` in training: the same parameters and buffers, gradients averaged over ranks,
    BatchNorm over the whole batch. `model` itself is left as it is.

    Make it anew wherever a restart may begin: DistributedDataParallel arranges what it sends after its first step,
    and three numbers added in another order are not the same bytes.
    """
    if not ranks.several:
        return model
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin = deepcopy(model, shared)
    for name, module in list(twin.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            twin.set_submodule(name, GlobalBatchNorm(module))
    with warnings.catch_warnings():
        # torch 2.13 has another name for the argument, which older ones do not know.
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(twin, broadcast_buffers=False)


def summed(tensor: Tensor, ranks: Ranks) -> Tensor:
    """The sum over ranks, in place."""
    if ranks.several:
        dist.all_reduce(tensor)
    return tensor


def gathered(tensor: Tensor, ranks: Ranks) -> Tensor:
    """What each rank has, one below the other."""
    if not ranks.several:
        return tensor[None].clone()
    of_all = [torch.empty_like(tensor) for _ in range(ranks.world_size)]
    dist.all_gather(of_all, tensor)
    return torch.stack(of_all)


def share_of(of_all: Tensor, ranks: Ranks) -> Tensor:
    """Of what was `gathered`, this rank's; the first one has all where there were more or fewer of them."""
    if len(of_all) == ranks.world_size:
        return of_all[ranks.rank]
    return of_all.sum(0) if ranks.is_first else torch.zeros_like(of_all[0])


def on_any(flag: bool, ranks: Ranks, device: torch.device) -> bool:
    """Whether it is so on any rank."""
    if not ranks.several:
        return flag
    return bool(summed(torch.tensor([float(flag)], device=device), ranks))


@contextmanager
def together(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """No rank goes on before all have done what is inside; a mistake that one meets is raised on all of them."""
    if not ranks.several:
        yield
        return
    own: NotbugsError | OSError | None = None
    try:
        yield
    except (NotbugsError, OSError) as error:
        own = error
    said = (str(own) or "unknown").encode()[:MESSAGE] if own else b""
    mine = torch.zeros(MESSAGE, dtype=torch.uint8)
    mine[: len(said)] = torch.tensor(list(said), dtype=torch.uint8)
    of_all = [torch.empty(MESSAGE, dtype=torch.uint8, device=device) for _ in range(ranks.world_size)]
    dist.all_gather(of_all, mine.to(device))
    if own:
        raise own
    for rank, text in enumerate(of_all):
        if message := bytes(text.tolist()).rstrip(b"\0").decode(errors="replace"):
            raise NotbugsError(f"rank {rank}: {message}")


__all__ = [
    "data_parallel",
    "on_any",
    "gathered",
    "process_group",
    "share_of",
    "summed",
    "together",
]
