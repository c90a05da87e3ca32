"""Training on images that are on disk, and going on in the middle of an epoch: the same weights."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from notbugs.data import Augmentation, LabeledImages, export, load
from notbugs.data.stored import StoredImages
from notbugs.errors import NotbugsError
from notbugs.models import ImageClassifier, build, model_digest
from notbugs.training import TrainConfig, loop, train
from notbugs.training.reading import TOGETHER, order_of, read_ahead

CONFIG = TrainConfig(
    epochs=2, lr=0.1, batch_size=32, average=0.9, precision="float32", augment=Augmentation(flip=True, translate=2)
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("reading") / "digits"
    export(load("digits").first(200), path, "parquet")
    return f"parquet:{path}"


def network() -> ImageClassifier:
    return build("convnet-8-8-8-8", classes=10, seed=0)


@pytest.mark.parametrize("buffer", [0, 50])
@pytest.mark.parametrize("workers", [0, 2])
def test_images_on_disk_teach_what_those_in_memory_do(source: str, buffer: int, workers: int) -> None:
    config = replace(CONFIG, buffer=buffer)
    here, there = (load(source, stored=stored) for stored in (False, True))
    assert isinstance(there.images, StoredImages)
    first = train(network(), here, config, seed=0, validation=here.first(40))
    second = train(network(), there, config, seed=0, validation=there.first(40), workers=workers)
    assert model_digest(first) == model_digest(second)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("at", [3, 6, 9])
def test_a_kill_in_the_middle_of_an_epoch_costs_a_few_steps(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, at: int
) -> None:
    monkeypatch.setattr(loop, "STEPS", 2)
    data = load(source, stored=where == "there")
    checkpoint, whole = tmp_path / "state.safetensors", []
    unharmed = train(network(), data, CONFIG, seed=0, on_epoch=whole.append)
    seen: list[int] = []

    def stopping(images: torch.Tensor, **options: object) -> torch.Tensor:
        seen.append(len(seen))
        if len(seen) == at:
            raise Stopped
        return images

    plain = CONFIG.augment
    config = replace(CONFIG)
    object.__setattr__(config, "augment", _Counted(plain, stopping))
    with pytest.raises(Stopped):
        train(network(), data, config, seed=0, checkpoint=checkpoint)
    again, seen_again = [], []
    object.__setattr__(config, "augment", _Counted(plain, lambda images, **_: seen_again.append(1) or images))
    resumed = train(network(), data, config, seed=0, checkpoint=checkpoint, on_epoch=again.append)
    assert model_digest(resumed) == model_digest(unharmed)
    assert again == whole
    assert len(seen_again) <= 14 - (at - 1) + 2  # two epochs of seven steps


class _Counted(Augmentation):  # type: ignore[misc]
    """An augmentation that is looked at; it is called and printed as the one inside."""

    def __init__(self, inside: Augmentation, look: object) -> None:
        object.__setattr__(self, "inside", inside)
        object.__setattr__(self, "look", look)

    def __call__(self, images: torch.Tensor, **options: object) -> torch.Tensor:
        return self.inside(self.look(images, **options), **options)

    def __repr__(self) -> str:
        return repr(self.inside)


def test_a_damaged_checkpoint_is_refused(source: str, tmp_path: Path) -> None:
    data, checkpoint = load(source), tmp_path / "state.safetensors"
    train(network(), data, CONFIG, seed=0, checkpoint=checkpoint)
    content = bytearray(checkpoint.read_bytes())
    content[-9] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(NotbugsError, match=r"not a readable checkpoint \(its digest differs\)"):
        train(network(), data, replace(CONFIG, epochs=3), seed=0, checkpoint=checkpoint)


@given(st.integers(1, 3000), st.integers(0, 2000), st.integers(0, 5))
def test_an_order_has_every_row_once_and_keeps_neighbours_near(count: int, buffer: int, seed: int) -> None:
    order = order_of(count, torch.Generator().manual_seed(seed), buffer=buffer)
    assert order.sort().values.equal(torch.arange(count))
    if buffer:
        for some in order.split(buffer):  # no more parts than it touches, and a short one
            assert len((some // TOGETHER).unique()) <= buffer // TOGETHER + 3


def test_nothing_is_drawn_from_the_global_generator(source: str) -> None:
    data: LabeledImages = load(source, stored=True)
    before = torch.get_rng_state()
    rows = list(torch.arange(200).split(64))
    read = list(read_ahead(data.images, iter(rows), workers=1))
    assert torch.get_rng_state().equal(before)
    assert torch.cat(read).equal(load(source, stored=False).images)
    assert pickle.loads(pickle.dumps(data.images))[:3].equal(read[0][:3])


def test_a_negative_buffer_is_refused() -> None:
    with pytest.raises(NotbugsError, match="buffer must be 0 or more images, got -1"):
        replace(CONFIG, buffer=-1)
