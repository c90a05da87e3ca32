"""What is exported comes back: exactly from Parquet and .npz, to 8 bits from a folder."""

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from notbugs import seeds
from notbugs.data import LabeledImages, Origin, export, load, read_parquet
from notbugs.errors import NotbugsError

ORIGIN = Origin(
    name="pets", licence="MIT", citation="Me (2026)", recipe={"kind": "d_r", "eps": 0.5}, parent="abc"
)


def made(count=7, *, channels=3, classes=("cat", "dog"), eight_bit=False, columns=None, seed=0):
    draw = seeds.generator(seed, "export")
    images = torch.rand(count, channels, 5, 6, generator=draw)
    return LabeledImages(
        images=images.mul(255).round().div(255) if eight_bit else images,
        labels=torch.arange(count) % len(classes),
        class_names=tuple(classes),
        origin=ORIGIN,
        columns=columns or {},
    )


def assert_same(found, data):
    assert torch.equal(found.images, data.images)
    assert torch.equal(found.labels, data.labels)
    assert found.class_names == data.class_names
    assert found.origin == data.origin
    assert found.digest == data.digest
    assert set(found.columns) == set(data.columns)
    for name, column in data.columns.items():
        assert found.columns[name].dtype == column.dtype
        assert torch.equal(found.columns[name], column)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 5),
    channels=st.sampled_from([1, 3]),
    classes=st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3, unique=True),
    eight_bit=st.booleans(),
    dtype=st.sampled_from([torch.int64, torch.int32, torch.uint8, torch.bool, torch.float32, torch.float64]),
    shape=st.sampled_from([(), (3,), (2, 2)]),
    seed=st.integers(0, 100),
)
def test_parquet_round_trip_is_exact(
    tmp_path_factory, count, channels, classes, eight_bit, dtype, shape, seed
):
    column = torch.randint(0, 2, (count, *shape), generator=seeds.generator(seed)).to(dtype)
    data = made(
        count, channels=channels, classes=classes, eight_bit=eight_bit, columns={"extra": column}, seed=seed
    )
    path = export(data, tmp_path_factory.mktemp("out") / "pets", "parquet")
    assert_same(load(f"parquet:{path}"), data)


def test_parquet_crosses_row_groups(tmp_path):
    data = made(2300, columns={"index": torch.arange(2300)})
    assert_same(read_parquet(export(data, tmp_path / "out", "parquet", split="test"), split="test"), data)


def test_pixels_are_written_only_where_eight_bits_would_round(tmp_path):
    for eight_bit in (True, False):
        path = export(made(eight_bit=eight_bit), tmp_path / str(eight_bit), "parquet")
        schema = pq.read_schema(path / "data" / "train-00000-of-00001.parquet")
        assert ("pixels" in schema.names) is not eight_bit
        assert ("rounded to 8 bits" in (path / "README.md").read_text()) is not eight_bit


def test_digits_round_trip(tmp_path):
    data = load("digits", split="test")
    assert_same(read_parquet(export(data, tmp_path / "out", "parquet", split="test"), split="test"), data)


def test_parquet_has_the_hugging_face_layout(tmp_path):
    columns = {"index": torch.arange(7), "step": torch.zeros(7, 2, 2)}
    path = export(made(columns=columns), tmp_path / "out", "parquet")
    table = pq.read_table(path / "data" / "train-00000-of-00001.parquet")
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features == {
        "img": {"_type": "Image"},
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
        "pixels": {"dtype": "binary", "_type": "Value"},
        "index": {"dtype": "int64", "_type": "Value"},
        "step": {"feature": {"dtype": "float32", "_type": "Value"}, "length": 4, "_type": "Sequence"},
    }
    picture = Image.open(io.BytesIO(table.column("img")[3].as_py()["bytes"]))
    assert picture.size == (6, 5)
    assert picture.mode == "RGB"


def test_the_card_says_licence_citation_recipe_and_how_to_load(tmp_path):
    for kind in ("parquet", "imagefolder", "npz"):
        card = (export(made(), tmp_path / kind, kind) / "README.md").read_text()
        assert card.startswith('---\npretty_name: "pets"\n')
        for part in ('license: "mit"', "Me (2026)", '"kind": "d_r"', "## Load it", "digest `abc`"):
            assert part in card


def test_a_name_of_several_lines_is_one_in_the_card(tmp_path):
    data = made()
    data = replace(data, origin=Origin(name="pets\n## Load it", licence="MIT\n---"))
    lines = (export(data, tmp_path / "npz", "npz") / "README.md").read_text().splitlines()
    assert "# pets ## Load it" in lines
    assert "- licence: MIT ---" in lines
    assert lines.count("---") == 2


def test_image_folder_round_trips_to_eight_bits(tmp_path):
    data = made(12, classes=("a/b", "dog"))
    path = export(data, tmp_path / "out", "imagefolder")
    assert sorted(entry.name for entry in (path / "train").iterdir()) == ["a-b", "dog"]
    assert (path / "train" / "a-b" / "000002.png").is_file()
    found = load(f"folder:{path}")
    order = data.labels.argsort(stable=True)
    assert (found.images - data.images[order]).abs().max() <= 0.5 / 255 + 1e-6
    assert found.labels.tolist() == sorted(data.labels.tolist())
    assert "rounded to 8 bits" in (path / "README.md").read_text()


def test_npz_needs_no_pickle(tmp_path):
    data = made(columns={"index": torch.arange(7)})
    path = export(data, tmp_path / "out", "npz", split="test")
    with np.load(path / "test.npz", allow_pickle=False) as stored:
        assert np.array_equal(stored["images"], data.images.numpy())
        assert stored["images"].dtype == np.float32
        assert stored["labels"].tolist() == data.labels.tolist()
        assert stored["class_names"].tolist() == ["cat", "dog"]
        assert stored["column.index"].tolist() == list(range(7))
        assert json.loads(str(stored["origin"]))["name"] == "pets"


def test_nothing_is_overwritten(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    export(made(), path, "npz")  # an empty directory is fine
    before = {file: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(NotbugsError, match="out already exists and is not empty"):
        export(made(), path, "parquet")
    assert {file: file.read_bytes() for file in path.iterdir()} == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotbugsError, match="file already exists"):
        export(made(), tmp_path / "file", "npz")


@pytest.mark.parametrize(
    "data, kind, message",
    [
        (made(channels=2), "parquet", "PNG holds 1 or 3 channels, these images have 2"),
        (made(channels=2), "imagefolder", "PNG holds 1 or 3 channels"),
        (
            made(columns={"label": torch.zeros(7)}),
            "parquet",
            "has a column 'label' of its own; rename this one",
        ),
        (
            made(columns={"half": torch.zeros(7, dtype=torch.bfloat16)}),
            "parquet",
            "column 'half' is torch.bfloat16",
        ),
        (
            made(columns={"half": torch.zeros(7, dtype=torch.bfloat16)}),
            "npz",
            "column 'half' is torch.bfloat16",
        ),
        (
            made(classes=("a:", "a?")),
            "imagefolder",
            "class names that differ only in what a folder name cannot hold",
        ),
    ],
)
def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, data, kind, message):
    with pytest.raises(NotbugsError, match=message):
        export(data, tmp_path / "out", kind)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_split_or_place_is_refused(tmp_path):
    with pytest.raises(NotbugsError, match="becomes a file name"):
        export(made(), tmp_path / "out", "npz", split="../train")
    (tmp_path / "file").touch()
    with pytest.raises(NotbugsError, match="cannot be written"):
        export(made(), tmp_path / "file" / "out", "npz")
