"""SOURCE@SHIFT is that source with every image changed, everywhere a source is named."""

import pytest
import torch
from PIL import Image

from notbugs.data import load
from notbugs.data.planted import truth_of
from notbugs.data.shifted import split_source, under_shift
from notbugs.errors import NotbugsError
from notbugs.shifts import Corruption, parse_band


@pytest.mark.parametrize("text", ["fog:3", "high:12", "noise:4@low:8"])
def test_images_change_and_labels_stay(text):
    plain, shown = (load(source, split="test").first(30) for source in ("digits", f"digits@{text}"))
    assert torch.equal(plain.labels, shown.labels)
    assert not torch.equal(plain.images, shown.images)
    assert shown.origin.name == f"digits@{text}"
    assert shown.origin.recipe["shift"] == text
    assert torch.equal(shown.images, load(f"digits@{text}", split="test").images[:30])


def test_the_seed_draws():
    first, second = (load("digits@gaussian_noise:5", seed=seed).images[:5] for seed in (0, 1))
    assert not torch.equal(first, second)


def test_a_filter_is_applied_whole():
    digits = load("digits").first(9)
    assert torch.equal(under_shift(digits, "low:4").images, parse_band("low:4")(digits.images))
    assert torch.equal(
        under_shift(digits, Corruption("contrast", 5)).images, Corruption("contrast", 5)(digits.images)
    )


def test_closed_forms_are_about_the_images_as_they_were():
    assert truth_of(load("planted").first(3)) is not None
    assert truth_of(load("planted@low:8").first(3)) is None


def test_a_path_may_hold_an_at(tmp_path):
    for name in "ab":
        (tmp_path / "me@home" / name).mkdir(parents=True)
        for index in range(6):
            Image.new("RGB", (8, 8), (40 * index, 0, 0)).save(tmp_path / "me@home" / name / f"{index}.png")
    source = f"folder:{tmp_path}/me@home"
    assert split_source(source) == (source, None)
    assert len(load(source, split="all")) == 12
    assert split_source("folder:photos@fog:3")[1] == Corruption("fog", 3)
    assert split_source(f"{source}@fog:3") == (source, Corruption("fog", 3))
    assert split_source(f"tagged:{source}") == (f"tagged:{source}", None)
    assert split_source(f"{source}@noise:4@low:8")[0] == source
    with pytest.raises(NotbugsError, match="nowhere@home"):
        load(f"folder:{tmp_path}/nowhere@home")


def test_what_is_no_shift_is_said():
    with pytest.raises(NotbugsError, match="is no shift"):
        load("digits@mist:3")
