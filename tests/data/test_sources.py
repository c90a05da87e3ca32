"""One loader for every source, and one line for every mistake."""

import sys

import pytest
import torch

from notbugs.data import load
from notbugs.errors import NotbugsError


def test_digits_are_divided_once_and_for_all():
    train, test = load("digits"), load("digits", split="test")
    assert (len(train), len(test)) == (1297, 500)
    together = torch.cat([train.columns["index"], test.columns["index"]])
    assert together.sort().values.tolist() == list(range(1797))
    assert train.images.shape[1:] == (3, 32, 32)
    assert train.images.dtype == torch.float32
    assert train.images.min() == 0
    assert train.images.max() == 1
    assert test.class_names == tuple("0123456789")
    assert test.labels.bincount(minlength=10).min() > 30
    assert train.origin.licence == "CC-BY-4.0"
    assert train.digest == load("digits").digest


def test_digits_can_be_told_apart_by_their_nearest_mean():
    train, test = load("digits"), load("digits", split="test")
    means = torch.stack([train.images[train.labels == label].mean(0) for label in range(10)])
    nearest = torch.cdist(test.images.flatten(1), means.flatten(1)).argmin(1)
    assert (nearest == test.labels).float().mean() > 0.85


@pytest.mark.parametrize(
    "source, message",
    [
        ("digts", "unknown source 'digts'; did you mean 'digits'?"),
        ("", "unknown source ''"),
        ("digits:1", "digits takes nothing after a colon; use 'digits'"),
        ("folder:", "expected something after the colon, as in 'folder:PATH'"),
        ("folder", "expected something after the colon, as in 'folder:PATH'"),
        ("folder:not/there", "not/there does not exist"),
        ("parquet:not/there", "not/there does not exist"),
    ],
)
def test_bad_sources_are_refused(source, message):
    with pytest.raises(NotbugsError, match=message):
        load(source)


@pytest.mark.parametrize("source", ["digits", "cifar10", "folder:x", "parquet:x"])
def test_bad_splits_are_refused(source):
    with pytest.raises(NotbugsError, match="unknown split 'tets'; did you mean 'test'"):
        load(source, split="tets")


def test_the_hub_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for source in ("cifar10", "hf:org/name"):
        with pytest.raises(NotbugsError, match=r"pip install huggingface_hub, or give a directory"):
            load(source)


def test_hf_with_a_root_reads_that_directory(cifar10):
    data = load("hf:uoft-cs/cifar10", split="test", root=cifar10)
    assert data.classes == 10


def test_a_root_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(NotbugsError, match="gone does not exist"):
        load("cifar10", root=tmp_path / "gone")
