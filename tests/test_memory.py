"""How much memory is left: by the machine, by the control group, by the limits of the process."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from notbugs import memory
from notbugs.data import recent as recent_file
from notbugs.data.recent import Recent
from notbugs.memory import UNTOLD, available_memory, share_memory, sharing

LIMITED = """
import resource, sys
from notbugs.memory import available_memory
before = available_memory()
kept = bytearray(50_000_000)
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]), resource.RLIM_INFINITY))
print(before, available_memory())
"""


@pytest.mark.parametrize("name", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_the_process_counts(name: str) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux says what a process has taken")
    limit = 3_000_000_000
    said = subprocess.run(
        [sys.executable, "-c", LIMITED, name, str(limit)], check=True, capture_output=True, text=True
    )
    before, after = map(int, said.stdout.split())
    assert 0 < after < limit - 50_000_000
    assert before >= after


def test_a_control_group_counts_and_its_cache_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("4000000\n")
    (tmp_path / "memory.stat").write_text("anon 1000000\ninactive_file 2500000\n")
    groups = tmp_path / "cgroup"
    groups.write_text("5:cpu:/elsewhere\n0::/\n")
    monkeypatch.setattr(memory, "_CGROUPS", ((f"{tmp_path}{{}}", "memory.max", "memory.current"),) * 2)
    monkeypatch.setattr(memory, "_OWN_GROUPS", str(groups))
    assert available_memory() == 3_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory() > 10_000_000


@pytest.mark.parametrize("limited", ["", "slice", "slice/job", "slice/job/step"])
def test_a_limit_of_any_group_around_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limited: str
) -> None:
    for group in ("", "slice", "slice/job", "slice/job/step"):
        (tmp_path / "groups" / group).mkdir(exist_ok=True, parents=True)
        limit = "5000000" if group == limited else "max"
        for name, content in (("max", limit), ("current", "4000000"), ("stat", "inactive_file 0")):
            (tmp_path / "groups" / group / f"memory.{name}").write_text(f"{content}\n")
    groups = tmp_path / "cgroup"
    groups.write_text("0::/slice/job/step\n")
    version = (f"{tmp_path / 'groups'}{{}}", "memory.max", "memory.current")
    monkeypatch.setattr(memory, "_CGROUPS", (version,) * 2)
    monkeypatch.setattr(memory, "_OWN_GROUPS", str(groups))
    assert available_memory() == 1_000_000


def test_where_nothing_says_how_much_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(file: str) -> dict[str, int]:
        raise FileNotFoundError(file)

    monkeypatch.delattr(os, "sysconf")
    monkeypatch.setattr(memory, "_kilobytes", absent)
    monkeypatch.setattr(memory, "_OWN_GROUPS", str(tmp_path / "none"))
    assert available_memory() == UNTOLD


def test_processes_that_read_at_once_keep_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_file, "available_memory", lambda: 8 * 120)

    def kept(recent: Recent[str]) -> int:
        for number in range(200):
            recent.get(number, lambda: "a")
        return len(recent.keys())

    assert kept(Recent(len)) == 120
    assert kept(Recent(len, processes=3)) == 40
    assert kept(pickle.loads(pickle.dumps(Recent(len, processes=3)))) == 40
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "1")
    for name, value in (("TORCHELASTIC_RUN_ID", "one"), ("WORLD_SIZE", "16"), ("LOCAL_WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    assert kept(Recent(len, processes=3)) == 5


def test_what_was_read_last_is_kept_while_there_is_room() -> None:
    read: list[str] = []
    recent = Recent[str](len, most=10)

    def get(word: str) -> str:
        return recent.get(word, lambda: read.append(word) or word)  # type: ignore[func-returns-value]

    assert [get(word) for word in ("four", "five", "four", "three", "five", "a longer word than fits")]
    assert read == ["four", "five", "three", "five", "a longer word than fits"]
    assert recent.keys() == ["a longer word than fits"]


def test_workers_of_one_machine_divide_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = sharing()
    monkeypatch.setattr(memory, "_sharing", 1)
    share_memory(4)
    assert sharing() == 4 * alone
    asked = Recent[int](lambda value: 1)
    asked.get("a", lambda: 1)
    assert asked._most <= available_memory() / 8 / 4 * 1.5
