"""Files are written whole or not at all."""

import os

import pytest

from notbugs.errors import NotbugsError
from notbugs.files import appearing, make_directory, write_atomically


@pytest.mark.parametrize(
    "content, expected", [("größe\n", "größe\n".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")]
)
def test_it_writes_and_replaces(content, expected, tmp_path):
    path = tmp_path / "deep" / "er" / "file"
    write_atomically(path, "before, and longer than what comes")
    write_atomically(path, content)
    assert path.read_bytes() == expected
    assert path.stat().st_mode & 0o777 == 0o644
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


def test_what_a_killed_process_left_is_removed(tmp_path):
    left = tmp_path / ".copy.1234.partial"
    left.mkdir()
    (left / "half").write_text("written")
    with appearing(tmp_path / "copy") as directory:
        (directory / "whole").write_text("written")
    assert [path.name for path in tmp_path.rglob("*")] == ["copy", "whole"]
