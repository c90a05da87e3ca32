"""Which of torchrun's processes this is, and what of its machine is its part."""

import os

import pytest

from notbugs.app.options import processes_to_read
from notbugs.ranks import ALONE, Ranks, ranks_of_torchrun

TOLD = {
    "TORCHELASTIC_RUN_ID": "one",
    "RANK": "9",
    "WORLD_SIZE": "16",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
}


def test_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert ranks_of_torchrun() == ALONE
    for name, value in TOLD.items():
        monkeypatch.setenv(name, value)
    assert ranks_of_torchrun() == Ranks(rank=9, world_size=16, local_rank=1, local_world_size=2)


def test_cores_are_divided_among_the_ranks_of_their_own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 14)
    assert processes_to_read() == 8
    assert processes_to_read(Ranks(rank=9, world_size=16, local_rank=1, local_world_size=2)) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert processes_to_read() == 0
