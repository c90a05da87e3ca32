"""Which process this is among those that torchrun has started to train one model; no torch is needed to know."""

import os
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class Ranks:
    """`rank` of `world_size` processes; on this machine `local_rank` of `local_world_size`. The first one writes and
    speaks for all.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.world_size > 1


ALONE = Ranks()


def ranks_of_torchrun() -> Ranks:
    """What torchrun says in the environment; alone where nothing was started by it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ALONE
    return Ranks(
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        local_rank=int(os.environ["LOCAL_RANK"]),
        local_world_size=int(os.environ["LOCAL_WORLD_SIZE"]),
    )


__all__ = ["ALONE", "Ranks", "ranks_of_torchrun"]
