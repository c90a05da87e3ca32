"""Folders of images, as people have them."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from notbugs.data import load, read_folder
from notbugs.errors import NotbugsError


def fill(folder, count, *, value=0, size=(4, 4), suffix=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(np.full((*size, 3), value + number, np.uint8)).save(folder / f"{number:03}{suffix}")


def values(data):
    return data.images[:, 0, 0, 0].mul(255).round().int().tolist()


def test_every_fifth_image_of_each_class_is_the_test_split(tmp_path):
    fill(tmp_path / "dog", 10, value=100)
    fill(tmp_path / "cat", 6)
    train, test = load(f"folder:{tmp_path}"), load(f"folder:{tmp_path}", split="test")
    assert train.class_names == ("cat", "dog")
    assert values(train) == [0, 1, 2, 3, 5, 100, 101, 102, 103, 105, 106, 107, 108]
    assert values(test) == [4, 104, 109]
    assert test.labels.tolist() == [0, 1, 1]
    assert train.images.shape[1:] == (3, 4, 4)
    assert train.images.dtype == torch.float32


@pytest.mark.parametrize("test_folder", ["test", "val", "validation"])
def test_split_folders_are_used_where_they_exist(tmp_path, test_folder):
    fill(tmp_path / "train" / "cat", 2)
    fill(tmp_path / "train" / "dog", 2, value=50)
    fill(tmp_path / test_folder / "dog", 1, value=90, size=(9, 9))
    test = read_folder(tmp_path, split="test")
    assert len(read_folder(tmp_path)) == 4
    assert test.class_names == ("cat", "dog")
    assert test.labels.tolist() == [1]
    assert test.images.shape == (1, 3, 4, 4)  # the training split decides the size


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path / "train", 5)
    fill(tmp_path / "car", 5)
    assert read_folder(tmp_path).class_names == ("car", "train")


def test_other_files_are_ignored_and_deeper_images_are_found(tmp_path):
    fill(tmp_path / "cat", 1)
    fill(tmp_path / "cat" / "more", 1, value=9)
    fill(tmp_path / "cat" / ".hidden", 1)
    fill(tmp_path / ".git", 1)
    for name in ("README.md", ".DS_Store", "._000.png"):
        (tmp_path / "cat" / name).write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("no class")
    (tmp_path / "cat" / "001.JPG").write_bytes((tmp_path / "cat" / "000.png").read_bytes())
    data = read_folder(tmp_path)
    assert data.class_names == ("cat",)
    assert values(data) == [0, 0, 9]


def test_size_resizes(tmp_path):
    fill(tmp_path / "cat", 2, size=(8, 12))
    assert read_folder(tmp_path).images.shape == (2, 3, 8, 12)
    assert read_folder(tmp_path, size=6).images.shape == (2, 3, 6, 6)


def refused(path, **options):
    with pytest.raises(NotbugsError) as caught:
        read_folder(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_path_that_is_no_folder_of_classes_is_refused(tmp_path):
    assert refused(tmp_path / "gone").startswith(f"{tmp_path / 'gone'} does not exist")
    assert refused(tmp_path).startswith(f"{tmp_path} has no class folders; put the images")
    (tmp_path / "file").touch()
    assert "cannot be read as a folder (Not a directory)" in refused(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_an_unreadable_folder_is_refused(tmp_path):
    fill(tmp_path / "cat", 1)
    (tmp_path / "cat").chmod(0)
    try:
        assert "Permission denied" in refused(tmp_path)
    finally:
        (tmp_path / "cat").chmod(0o700)


def test_an_empty_class_folder_is_refused(tmp_path):
    fill(tmp_path / "cat", 1)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "README").touch()
    assert refused(tmp_path).startswith(f"class folder {tmp_path / 'dog'} has no images (.bmp .gif")


def test_an_empty_test_split_is_refused(tmp_path):
    fill(tmp_path / "cat", 4)
    assert "no class has 5 images, so its test split is empty" in refused(tmp_path, split="test")


def test_a_missing_split_is_refused(tmp_path):
    fill(tmp_path / "train" / "cat", 4)
    assert f"{tmp_path} has a train folder but none for test; add" in refused(tmp_path, split="test")
    assert "unknown split 'tset'; did you mean 'test'?" in refused(tmp_path, split="tset")


def test_a_class_in_the_test_folder_only_is_refused(tmp_path):
    fill(tmp_path / "train" / "cat", 1)
    fill(tmp_path / "test" / "cats", 1)
    assert "'cats'; did you mean 'cat'?" in refused(tmp_path, split="test")


def test_a_bad_image_is_named(tmp_path):
    fill(tmp_path / "cat", 2)
    bad = tmp_path / "cat" / "001.png"
    bad.write_text("I am a cat")
    assert refused(tmp_path).startswith(
        f"{bad}: not a complete image (its bytes are of no known image format)"
    )
    good = (tmp_path / "cat" / "000.png").read_bytes()
    bad.write_bytes(good[:-24])
    assert refused(tmp_path).startswith(f"{bad}: not a complete image")
    bad.unlink()
    bad.symlink_to("nowhere")
    assert refused(tmp_path).startswith(f"{bad} cannot be read (No such file or directory)")
