"""Files are written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from notbugs.alone import alone_in
from notbugs.errors import NotbugsError
from notbugs.files import appearing, make_directory, write_atomically
from notbugs.partial import partial_name, sweep


@pytest.mark.parametrize(
    "content, expected", [("größe\n", "größe\n".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")]
)
def test_it_writes_and_replaces(content, expected, tmp_path):
    path = tmp_path / "deep" / "er" / "file"
    write_atomically(path, "before, and longer than what comes")
    write_atomically(path, content)
    assert path.read_bytes() == expected
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode, "what the user's umask says"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("place", ["file/below", "directory"])
def test_where_it_cannot_be_written_nothing_is_left(place, tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "full").write_text("")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NotbugsError, match=r"cannot write .*choose another --out") as caught:
        write_atomically(tmp_path / place, "content")
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "kept"


def test_a_name_too_long_is_a_clear_error(tmp_path):
    with pytest.raises(NotbugsError, match="cannot write"):
        write_atomically(tmp_path / ("n" * 300), "content")


def test_directories(tmp_path):
    make_directory(tmp_path / "a" / "b")
    make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(NotbugsError, match=r"cannot create .*choose another --out"):
        make_directory(tmp_path / "file" / "below")
    assert os.listdir(tmp_path / "a") == ["b"]


def killed_writer_of(path):
    """The name that a process has chosen which is no more."""
    script = f"from pathlib import Path; from notbugs.partial import partial_name as p; print(p(Path({str(path)!r})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_what_is_swept_was_left_by_the_dead_or_is_old(tmp_path):
    ours, dead, elsewhere, old = (
        partial_name(tmp_path / "file"),
        killed_writer_of(tmp_path / "file"),
        tmp_path / ".file.other-host.1.00000000.partial",
        tmp_path / ".file.other-host.2.00000000.partial",
    )
    for path in (ours, dead, elsewhere, old):
        path.write_text("half")
    os.utime(old, (0, 0))
    (tmp_path / "file").write_text("whole")
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {ours, elsewhere, tmp_path / "file"}
    assert partial_name(tmp_path / "file") != ours, "two threads may write the same file"


def test_who_waits_alone_sweeps_the_directory(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    left = killed_writer_of(tmp_path / "checkpoint" / "state.safetensors")
    left.write_text("half")
    with alone_in(tmp_path):
        assert not left.exists()


def test_ctrl_c_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", "content")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_removed(tmp_path):
    left = killed_writer_of(tmp_path / "copy")
    left.mkdir()
    (left / "half").write_text("written")
    with appearing(tmp_path / "copy") as directory:
        (directory / "whole").write_text("written")
    assert [path.name for path in tmp_path.rglob("*")] == ["copy", "whole"]
