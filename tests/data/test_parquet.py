"""Parquet, as the hub keeps it, and as it should not be."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from notbugs.data import load, read_parquet
from notbugs.errors import NotbugsError


def png(value, size=(4, 4)):
    stream = io.BytesIO()
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def image(value, size=(4, 4)):
    return {"bytes": png(value, size), "path": None}


def write(file, columns, features=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)
    return file


def class_label(*names):
    return {"names": names, "_type": "ClassLabel"}


PETS = {"img": {"_type": "Image"}, "label": class_label("cat", "dog")}


def values(data):
    return data.images[:, 0, 0, 0].mul(255).round().int().tolist()


def refused(path, **options):
    with pytest.raises(NotbugsError) as caught:
        read_parquet(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_cifar10(cifar10):
    data = load("cifar10", split="test", root=cifar10)
    assert data.images.shape[1:] == (3, 32, 32)
    assert data.classes == 10
    assert data.labels.bincount().unique().numel() == 1
    file = next(cifar10.rglob("test-*.parquet"))
    row = len(data) // 3
    raw = pq.read_table(file).slice(row, 1).to_pylist()[0]
    pixels = np.asarray(Image.open(io.BytesIO(raw["img"]["bytes"])), np.float32) / np.float32(255)
    assert torch.equal(data.images[row], torch.from_numpy(pixels).permute(2, 0, 1))
    assert data.labels[row] == raw["label"]


def test_a_subset_of_classes_is_renumbered_in_the_order_given(cifar10):
    dogs_first = load(
        "cifar10:dog,cat", split="test", root=cifar10.parent if cifar10.name == "cifar10" else cifar10
    )
    whole = load("cifar10", split="test", root=cifar10)
    assert dogs_first.class_names == ("dog", "cat")
    rows = (whole.labels == 3) | (whole.labels == 5)
    assert torch.equal(dogs_first.images, whole.images[rows])
    assert torch.equal(dogs_first.labels, (whole.labels[rows] == 3).long())
    assert dogs_first.origin.name == "cifar10:dog,cat"


@pytest.mark.parametrize(
    "names, message",
    [
        ("cat,dgo", "unknown class 'dgo'; did you mean 'dog'?"),
        ("cat,cat", "not two or more different classes"),
        ("cat", "not two or more different classes"),
        ("", "unknown class ''"),
    ],
)
def test_bad_subsets_are_refused(cifar10, names, message):
    with pytest.raises(NotbugsError, match=message):
        load(f"cifar10:{names}", split="test", root=cifar10)


def test_several_files_of_a_split_are_read_in_order(tmp_path):
    for part in range(3):
        write(
            tmp_path / "data" / f"train-0000{part}-of-00003.parquet",
            {"img": [image(part)], "label": [part % 2]},
            PETS,
        )
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", {"img": [image(9)], "label": [1]}, PETS)
    assert values(load(f"parquet:{tmp_path}")) == [0, 1, 2]
    assert values(load(f"parquet:{tmp_path}", split="test")) == [9]  # no test split: validation


def test_split_folders(tmp_path):
    write(tmp_path / "default" / "train" / "0000.parquet", {"img": [image(1)], "label": [0]}, PETS)
    write(tmp_path / "default" / "test" / "0000.parquet", {"img": [image(2)], "label": [0]}, PETS)
    assert values(read_parquet(tmp_path)) == [1]
    assert values(read_parquet(tmp_path, split="test")) == [2]


def test_files_without_a_split_give_every_fifth_row_of_each_class_to_the_test(tmp_path):
    file = write(
        tmp_path / "all.parquet", {"img": [image(v) for v in range(11)], "label": [0] * 6 + [1] * 5}, PETS
    )
    assert values(read_parquet(file)) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert values(read_parquet(file, split="test")) == [4, 10]


def test_a_file_of_one_split_is_that_split(tmp_path):
    file = write(tmp_path / "test-00000-of-00001.parquet", {"img": [image(1)], "label": [0]}, PETS)
    assert len(read_parquet(file, split="test")) == 1
    assert "has no train split (it has: test); name the directory" in refused(file)


def test_without_metadata_the_columns_are_found_by_type_and_classes_by_value(tmp_path):
    write(tmp_path / "train.parquet", {"photo": [png(1), png(2)], "animal": ["dog", "cat"]})
    write(tmp_path / "test.parquet", {"photo": [png(3)], "animal": ["dog"]})
    test = read_parquet(tmp_path, split="test")
    assert test.class_names == ("cat", "dog")  # from all splits
    assert test.labels.tolist() == [1]
    write(tmp_path / "train.parquet", {"photo": [png(1), png(2)], "digit": [10, 9]})
    (tmp_path / "test.parquet").unlink()
    assert read_parquet(tmp_path).class_names == ("9", "10")
    write(
        tmp_path / "train.parquet",
        {"photo": [png(1), png(2)], "word": pa.array(["b", "a"]).dictionary_encode()},
    )
    assert read_parquet(tmp_path).labels.tolist() == [1, 0]


def test_of_several_labels_the_fine_one_is_taken_and_the_other_is_a_column(tmp_path):
    features = {
        "img": {"_type": "Image"},
        "coarse_label": class_label("fish", "pets"),
        "fine_label": class_label("cat", "cod", "dog"),
    }
    columns = {"img": [image(0), image(1)], "coarse_label": [1, 0], "fine_label": [2, 1]}
    write(tmp_path / "train.parquet", columns, features)
    data = read_parquet(tmp_path)
    assert data.class_names == ("cat", "cod", "dog")
    assert data.columns["coarse_label"].tolist() == [1, 0]
    assert read_parquet(tmp_path, label_column="coarse_label").class_names == ("fish", "pets")


def test_other_columns_are_kept_if_numeric_and_whole(tmp_path):
    columns = {
        "img": [image(0), image(1)],
        "label": [0, 1],
        "weight": pa.array([0.5, 2], pa.float32()),
        "seen": [True, False],
        "note": ["a", "b"],
        "hole": [1, None],
    }
    write(tmp_path / "train.parquet", columns, PETS)
    found = read_parquet(tmp_path).columns
    assert set(found) == {"weight", "seen"}
    assert found["weight"].dtype == torch.float32
    assert found["seen"].tolist() == [True, False]


def test_sizes_follow_the_training_split(tmp_path):
    write(
        tmp_path / "train.parquet",
        {"img": [image(0, (6, 6)), image(1, (6, 9)), image(2, (8, 8))], "label": [0] * 3},
        PETS,
    )
    write(tmp_path / "test.parquet", {"img": [image(3, (20, 10))], "label": [0]}, PETS)
    assert read_parquet(tmp_path).images.shape == (3, 3, 6, 6)
    assert read_parquet(tmp_path, split="test").images.shape == (1, 3, 6, 6)
    assert read_parquet(tmp_path, split="test", size=5).images.shape == (1, 3, 5, 5)


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"img": [image(0), None], "label": [0, 1]}, "row 1: img has no bytes"),
        ({"img": [image(0), {"bytes": None, "path": "a.png"}], "label": [0, 1]}, "row 1: img has no bytes"),
        (
            {"img": [image(0), {"bytes": b"text", "path": None}], "label": [0, 1]},
            "row 1: not a complete image",
        ),
        (
            {"img": [image(0), {"bytes": png(0)[:-24], "path": None}], "label": [0, 1]},
            "row 1: not a complete image",
        ),
        ({"img": [image(0), image(0)], "label": [0, None]}, "row 1: label is null"),
        ({"img": [image(0), image(0)], "label": [0, 2]}, "row 1: label is 2, expected 0 to 1 for 2 classes"),
        (
            {"img": [image(0), image(0)], "label": [0, -1]},
            "row 1: label is -1, expected 0 to 1 for 2 classes",
        ),
        (
            {"img": [image(0), image(0)], "label": [0.5, 1]},
            "row 0: label is 0.5, expected an integer from 0 to 1",
        ),
    ],
)
def test_a_bad_row_is_named(tmp_path, columns, message):
    file = write(tmp_path / "train.parquet", columns, PETS)
    assert refused(tmp_path).startswith(f"{file} {message}")


def test_rows_are_numbered_within_their_own_file(tmp_path):
    write(tmp_path / "train-0.parquet", {"img": [image(0)] * 3, "label": [0] * 3}, PETS)
    bad = write(tmp_path / "train-1.parquet", {"img": [image(0), image(0), None], "label": [0] * 3}, PETS)
    assert refused(tmp_path).startswith(f"{bad} row 2: ")


def test_missing_columns_are_named(tmp_path):
    file = write(tmp_path / "train.parquet", {"text": ["a"], "label": [0]})
    assert refused(tmp_path).startswith(f"{file} has no image column (its columns are text, label)")
    write(file, {"img": [image(0)], "score": [0.5]})
    assert refused(tmp_path).startswith(f"{file} has no label column (its columns are img, score)")
    write(file, {"img": [image(0)], "breed": ["a"], "colour": ["b"]})
    assert "several columns that could be the label: breed, colour; name the right one 'label'" in refused(
        tmp_path
    )
    assert f"{file} has no column 'animal'" in refused(tmp_path, label_column="animal")
    write(file, {"img": [image(0)], "label": [0]}, PETS)
    other = write(tmp_path / "test.parquet", {"img": [image(0)], "lable": [0]}, PETS)
    assert refused(tmp_path).startswith(
        f"{other} has no column 'label', which other files of the data set have"
    )


def test_a_float_label_without_metadata_is_refused(tmp_path):
    write(tmp_path / "train.parquet", {"img": [image(0)], "label": [0.5]})
    assert "row 0: label is 0.5, expected an integer or a string" in refused(tmp_path, label_column="label")


def test_what_is_no_parquet_is_refused(tmp_path):
    assert refused(tmp_path / "gone").startswith(f"{tmp_path / 'gone'} does not exist")
    assert "holds no .parquet file" in refused(tmp_path)
    file = tmp_path / "train.parquet"
    file.write_text("no parquet")
    assert refused(tmp_path).startswith(f"{file} does not read as Parquet")
    whole = write(tmp_path / "whole", {"img": [image(0)], "label": [0]}, PETS).read_bytes()
    file.write_bytes(whole[:40] + bytes(60) + whole[100:])
    assert refused(tmp_path).startswith(f"{file}")


def test_several_data_sets_in_one_directory_are_refused(tmp_path):
    for config in ("big", "small"):
        write(tmp_path / config / "train.parquet", {"img": [image(0)], "label": [0]}, PETS)
    assert f"several data sets ({tmp_path / 'big'}, {tmp_path / 'small'})" in refused(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    empty = {"img": pa.array([], pa.struct({"bytes": pa.binary()})), "label": pa.array([], pa.int64())}
    write(tmp_path / "train.parquet", empty, PETS)
    assert f"{tmp_path}: no image in the train split" in refused(tmp_path)
