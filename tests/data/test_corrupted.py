"""A corrupted copy on disk: what other programs read is what `SOURCE@SHIFT` shows, to 8 bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.contents import contents
from PIL import Image

from notbugs.data import load
from notbugs.data.corrupted import write_corrupted
from notbugs.data.shifted import under_shift
from notbugs.errors import NotbugsError
from notbugs.parts import made_here
from notbugs.shifts import Corruption


@pytest.fixture(scope="module")
def data():
    return load("digits", split="test").first(40)


def test_an_array_holds_severity_after_severity(data, tmp_path):
    path = write_corrupted(data, tmp_path, "fog", severities=(1, 3.5), seed=4)
    assert path == tmp_path / "fog.npy"
    found = torch.from_numpy(np.load(path, allow_pickle=False))
    assert found.dtype == torch.uint8
    assert found.shape == (80, 32, 32, 3)
    for part, severity in zip(found.split(40), (1, 3.5), strict=True):
        expected = under_shift(data, Corruption("fog", severity), seed=4).images
        assert torch.equal(part.permute(0, 3, 1, 2), expected.mul(255).round().byte())


def test_folders_are_read_back_as_classes(data, tmp_path):
    path = write_corrupted(data, tmp_path, "contrast", severities=(2, 5), layout="imagefolder")
    assert sorted(one.name for one in path.iterdir()) == ["2", "5"]
    expected = under_shift(data, Corruption("contrast", 5)).images.mul(255).round().byte()
    for row, label in enumerate(data.labels.tolist()):
        pixels = np.asarray(Image.open(path / "5" / str(label) / f"{row:06}.png"))
        assert np.array_equal(pixels, expected[row].permute(1, 2, 0).numpy())
    found = load(f"folder:{path}/5", split="all")
    assert found.labels.bincount().tolist() == data.labels.bincount().tolist()


def test_parts_may_be_made_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr("notbugs.data.corrupted._IMAGES_AT_ONCE", 7)
    data = load("digits", split="test").first(40)

    def backwards(make, indices, inside):
        return made_here(make, list(reversed(indices)), inside)

    for how in ("ordered", "backwards"):
        (tmp_path / how).mkdir()
    for layout, name in (("npy", "fog.npy"), ("imagefolder", "fog")):
        paths = [
            write_corrupted(data, tmp_path / how, "fog", severities=(1, 3), layout=layout, made=made)
            for how, made in (("ordered", made_here), ("backwards", backwards))
        ]
        assert contents(paths[0].parent / name) == contents(paths[1].parent / name)


def test_what_is_there_stays(data, tmp_path):
    (tmp_path / "fog.npy").write_bytes(b"mine")
    write_corrupted(data, tmp_path, "fog")
    assert (tmp_path / "fog.npy").read_bytes() == b"mine"


def test_nothing_is_left_half_written(data, tmp_path):
    def stop(done, total, note):
        raise KeyboardInterrupt

    for layout in ("npy", "imagefolder"):
        with pytest.raises(KeyboardInterrupt):
            write_corrupted(data, tmp_path, "fog", layout=layout, progress=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"corruption": "fogg"}, "did you mean 'fog'"),
        ({"severities": (6,)}, "between 1 and 5"),
    ],
)
def test_what_there_is_not_is_named(data, tmp_path, wrong, message):
    with pytest.raises(NotbugsError, match=message):
        write_corrupted(data, tmp_path, **({"corruption": "fog"} | wrong))
    assert not list(tmp_path.iterdir())


def test_folders_that_would_give_other_labels_are_refused(data, tmp_path):
    swapped = replace(data, class_names=("zero", *data.class_names[1:]))
    with pytest.raises(NotbugsError, match="zero first, not 1"):
        write_corrupted(swapped, tmp_path, "fog", layout="imagefolder")
    assert not list(tmp_path.iterdir())
    write_corrupted(swapped, tmp_path, "fog", severities=(1,))


def test_a_class_without_images_is_refused(data, tmp_path):
    few = data.take(torch.isin(data.labels, torch.tensor([3, 5])))
    with pytest.raises(NotbugsError, match="no image of class 0"):
        write_corrupted(few, tmp_path, "fog", layout="imagefolder")
