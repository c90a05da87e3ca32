"""Paths, URLs of object stores, and nothing else."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.locations import kept_file, location


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    place = location(f"file://{tmp_path}/deep/file")
    assert isinstance(place, Path)
    write_atomically(place, "whole")
    assert (tmp_path / "deep" / "file").read_text() == "whole"


@pytest.mark.parametrize(
    "named",
    ["sftp://host/runs", "hdfs://host/runs", "simplecache::file:///runs", "file://host/runs", "what://x"],
)
def test_where_a_file_may_be_half_is_no_store(named: str) -> None:
    with pytest.raises(NotbugsError, match=r"is no object store \(known: s3, ") as caught:
        location(named)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("named", ["~nobody_at_all/runs", "~", "~/runs", "./~backup/runs", "a/~/b"])
def test_a_tilde_is_the_home_directory_and_nobody_elses(named: str) -> None:
    expected = Path.home() / named[2:] if named.startswith("~/") or named == "~" else Path(named)
    assert location(named) == expected


def test_a_store_of_which_nothing_is_installed_names_the_package() -> None:
    with pytest.raises(NotbugsError, match="gs:// needs the package gcsfs: pip install gcsfs"):
        location("gs://bucket/runs")


SCRIPT = """
import os, sys
from notbugs.locations import forget_copies, kept_file, location
place = location("memory://bucket/file")
place.write_bytes(b"content")
print(kept_file(place), flush=True)
if sys.argv[1] == "orderly":
    forget_copies()
os._exit(0)
"""


def copy_of(how: str, temporary: Path) -> Path:
    """Where a process that ends at once has had its copy."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how],
        capture_output=True,
        text=True,
        check=True,
        env={"TMPDIR": str(temporary)},
    )
    return Path(done.stdout.strip())


def test_copies_go_with_their_process_or_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not copy_of("orderly", tmp_path).exists()
    killed = copy_of("killed", tmp_path)
    assert killed.read_bytes() == b"content"
    assert not copy_of("orderly", tmp_path).exists()
    assert not killed.exists()
    assert not list(tmp_path.iterdir())


def test_a_copy_is_kept_until_the_file_changes() -> None:
    place = location("memory://kept/file")
    write_atomically(place, "first")
    assert kept_file(place).read_text() == "first"
    assert kept_file(place) == kept_file(place)
    assert Path(tempfile.gettempdir()) in kept_file(place).parents
    write_atomically(place, "second")
    assert kept_file(place).read_text() == "second"
