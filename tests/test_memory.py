"""How much memory is left: by the machine, by the control group, by the limits of the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from notbugs import memory
from notbugs.data.recent import Recent
from notbugs.memory import available_memory

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


def test_what_was_read_last_is_kept_while_there_is_room() -> None:
    read: list[str] = []
    recent = Recent[str](len, most=10)

    def get(word: str) -> str:
        return recent.get(word, lambda: read.append(word) or word)  # type: ignore[func-returns-value]

    assert [get(word) for word in ("four", "five", "four", "three", "five", "a longer word than fits")]
    assert read == ["four", "five", "three", "five", "a longer word than fits"]
    assert recent.keys() == ["a longer word than fits"]
