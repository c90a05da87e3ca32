"""Training on images that are on disk, and going on in the middle of an epoch: the same weights."""

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from notbugs.data import Augmentation, LabeledImages, export, load
from notbugs.data.parquet_reader import ParquetReader
from notbugs.data.stored import Reader, StoredImages
from notbugs.errors import NotbugsError
from notbugs.models import ImageClassifier, build, model_digest
from notbugs.training import Contrast, TrainConfig, loop, reading, train
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


@dataclass(frozen=True)
class _Sharing(Reader):
    """Images that say among how many processes their reader shares the memory."""

    processes: int = 0
    shape = (10, 1, 2, 2)

    def read(self, rows: np.ndarray) -> torch.Tensor:
        return torch.full((len(rows), 1, 2, 2), self.processes / 8)

    def shared_by(self, processes: int) -> "_Sharing":
        return _Sharing(processes)


@pytest.mark.parametrize("workers", [1, 2])
def test_readers_are_told_how_many_they_are(workers: int) -> None:
    (read,) = read_ahead(StoredImages(_Sharing()), iter([torch.arange(3)]), workers=workers)
    assert read.unique().mul(8).tolist() == [workers + 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_line_whoever_reads_it(tmp_path: Path, workers: int) -> None:
    export(load("digits").first(60), tmp_path / "folder", "imagefolder")
    data = load(f"folder:{tmp_path / 'folder'}", stored=True)
    assert isinstance(data.images, StoredImages)
    broken = Path(data.images.reader.files[5])  # type: ignore[attr-defined]
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(NotbugsError, match=f"{broken.name}: not a complete image") as caught:
        list(read_ahead(data.images, iter(torch.arange(len(data)).split(4)), workers=workers))
    assert "\n" not in str(caught.value)


class _Far(torch.Tensor):
    """Row numbers on a GPU that nobody needs to have."""

    near: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def cpu(self) -> torch.Tensor:  # type: ignore[override]
        return self.near

    @classmethod
    def __torch_dispatch__(cls, function: object, *_: object) -> object:  # type: ignore[override]
        raise NotImplementedError(function)


def far(rows: torch.Tensor) -> torch.Tensor:
    made = torch.Tensor._make_wrapper_subclass(
        _Far, rows.shape, dtype=rows.dtype, device=torch.device("cuda")
    )
    made.near = rows
    return made


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_workers_are_asked_in_row_numbers_of_the_cpu(
    source: str, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    asked: dict[str, object] = {}

    def loader(images: object, **options: object) -> list[torch.Tensor]:
        asked.update(options)
        return []

    monkeypatch.setattr(reading, "DataLoader", loader)
    rows = torch.arange(5) if device == "cpu" else far(torch.arange(5))
    assert rows.device.type == device
    assert not list(read_ahead(load(source, stored=True).images.to(device), iter([rows]), workers=1))
    (given,) = asked["sampler"]  # type: ignore[misc]
    assert given.device.type == "cpu"
    assert given.tolist() == [0, 1, 2, 3, 4]
    assert asked["pin_memory"] == (device == "cuda")


def test_an_order_is_on_the_cpu() -> None:
    batches = loop._batches(20, 3, torch.Generator().manual_seed(0), 0)
    assert {rows.device.type for rows in batches} == {"cpu"}


def test_two_views_of_an_image_are_read_once(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(CONFIG, epochs=1, contrast=Contrast(), average=0.0)
    here, there = (load(source, stored=stored) for stored in (False, True))
    assert here.digest == there.digest
    read: list[int] = []
    plain = ParquetReader.read
    monkeypatch.setattr(ParquetReader, "read", lambda self, rows: read.append(len(rows)) or plain(self, rows))
    second = train(network(), there.to("cpu"), config, seed=0)
    assert sum(read) == len(there)  # and the digest, which is known, asks for none
    assert model_digest(second) == model_digest(train(network(), here, config, seed=0))


def test_a_negative_buffer_is_refused() -> None:
    with pytest.raises(NotbugsError, match="buffer must be 0 or more images, got -1"):
        replace(CONFIG, buffer=-1)
