"""Images that stay on disk are the images that would be in memory, whatever is asked of them."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notbugs.data import LabeledImages, export, load, parquet_reader, read_parquet, stored
from notbugs.data.planted import planted
from notbugs.data.shards import read_built
from notbugs.data.stored import StoredImages
from notbugs.errors import NotbugsError
from notbugs.features import MatchEmbeddings, PushToTarget
from notbugs.jobs import Job, build_job
from notbugs.models import build
from notbugs.recipes import targeted_attack
from notbugs.runs import Run
from notbugs.threats import L2

KINDS = ["parquet", "pixels", "folder", "built"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """60 images in 8 bits as Parquet in row groups of 7 and as a folder, exact ones as Parquet and as shards."""
    where = tmp_path_factory.mktemp("sources")
    exact = planted("train", count=60)
    export(exact, where / "pixels", "parquet")
    export(exact, where / "folder", "imagefolder")
    parquet = where / "parquet" / "train-00000-of-00001.parquet"
    parquet.parent.mkdir()
    (file,) = (where / "pixels" / "data").iterdir()
    pq.write_table(pq.read_table(file).drop(["pixels"]), parquet, row_group_size=7)
    model = build("convnet-8-8-8-8", classes=10, seed=0)
    run = build_job(Job(root=where / "runs", seed=0), "built", det(), model, exact, shard_size=25)
    return {
        "parquet": f"parquet:{parquet.parent}", "pixels": f"parquet:{where / 'pixels'}",
        "folder": f"folder:{where / 'folder'}", "built": f"built:{run.path}",
    }  # fmt: skip


def det() -> PushToTarget:
    return PushToTarget(attack=targeted_attack(L2(0.5), steps=1, step_size=0.1), targets="next")


def both(source: str) -> tuple[LabeledImages, LabeledImages]:
    return load(source, stored=False), load(source, stored=True)


@pytest.mark.parametrize("kind", KINDS)
@given(rows=st.lists(st.integers(0, 40), min_size=1, max_size=30), start=st.integers(0, 39))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_in_any_order_are_those_in_memory(sources, kind, rows, start) -> None:
    here, there = both(sources[kind])
    wanted = torch.tensor(rows)
    assert isinstance(there.images, StoredImages)
    assert not isinstance(here.images, StoredImages)
    assert there.images.shape == here.images.shape
    assert there.images[wanted].equal(here.images[wanted])
    assert there.images[start:40].equal(here.images[start:40])
    assert there.images[there.labels == 3].equal(here.images[here.labels == 3])
    taken = there.take(wanted)
    assert taken.images.equal(here.images[wanted])
    assert all(taken.columns[name].equal(column[wanted]) for name, column in here.columns.items())


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_data_set(sources, kind) -> None:
    here, there = both(sources[kind])
    assert there.digest == here.digest
    assert there.part(9).digest == here.part(9).digest
    assert torch.cat(list(there.images.split(13))).equal(here.images)
    assert pickle.loads(pickle.dumps(there)).digest == here.digest


@pytest.mark.parametrize("kind", ["parquet", "folder"])
def test_train_and_test_one_after_the_other(sources, kind, tmp_path) -> None:
    if kind == "parquet":
        whole = load(sources[kind], stored=False)
        export(whole.take(torch.arange(40)), tmp_path / "a", "parquet", split="train")
        export(whole.take(torch.arange(40, 60)), tmp_path / "b", "parquet", split="test")
        (tmp_path / "b" / "data" / "test-00000-of-00001.parquet").rename(
            tmp_path / "a" / "data" / "test-00000-of-00001.parquet"
        )
        source = f"parquet:{tmp_path / 'a'}"
    else:
        source = sources[kind].replace("/folder", "/folder/train")
    here = load(source, split="all", stored=False)
    there = load(source, split="all", stored=True)
    assert isinstance(there.images, StoredImages)
    assert there.digest == here.digest
    assert there.take(torch.tensor([55, 3, 41])).digest == here.take(torch.tensor([55, 3, 41])).digest


def test_a_row_group_larger_than_what_is_kept_is_read_in_passing(sources, monkeypatch) -> None:
    here = load(sources["parquet"], stored=False)
    monkeypatch.setattr(parquet_reader, "_SMALL", 0)
    monkeypatch.setattr(parquet_reader, "_BATCH", 3)
    there = load(sources["parquet"], stored=True)
    rows = torch.tensor([59, 0, 8, 8, 30])
    assert there.images[rows].equal(here.images[rows])


@pytest.mark.parametrize(
    "ask",
    [lambda x: x + 1, lambda x: x.clone(), lambda x: x.amax(), lambda x: torch.cat([x, x]), lambda x: x.mean()],
)  # fmt: skip
def test_what_would_need_all_of_them_in_memory_is_refused(sources, ask) -> None:
    images = load(sources["parquet"], stored=True).images
    with pytest.raises(NotbugsError, match="ask it of fewer of them"):
        ask(images)
    with pytest.raises(IndexError):
        images[torch.zeros(2, 2, dtype=torch.int64)]


def test_what_does_not_fit_stays_where_it_is(sources, monkeypatch) -> None:
    read = {available: read_parquet(path_of(sources), stored=None) for available in with_memory(monkeypatch)}
    assert [isinstance(data.images, StoredImages) for data in read.values()] == [True, False]
    monkeypatch.setattr(stored, "available_memory", lambda: 10**6)
    assert not isinstance(load(sources["parquet"]).part(10).images, StoredImages)  # few of them fit


def test_what_does_not_fit_on_its_device_stays_where_it_is(sources, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(stored, "free_memory_of", lambda device: asked.append(device.type) or 10**6)
    for source in sources.values():
        found = load(source, for_device="cuda")
        assert isinstance(found.images, StoredImages)
        assert found.images.device.type == "cpu"
    assert set(asked) == {"cuda"}
    assert isinstance(found.images.to("cuda").read_if_it_fits(), StoredImages)


@pytest.mark.parametrize(
    "size, numbers, expected",
    [
        (25, {"free": 100}, True),
        (26, {"free": 100}, False),
        (25, {"free": 100, "processes": 8}, False),
        (3, {"free": 100, "processes": 8}, True),
        (25, {"free": 100, "free_on_device": 100}, True),
        (25, {"free": 100, "free_on_device": 99}, False),
        (3, {"free": 100, "free_on_device": 12, "processes": 8}, True),  # ranks have GPUs of their own
    ],
)
def test_what_fits(size, numbers, expected) -> None:
    assert stored.fits(size, **numbers) == expected


def test_ranks_divide_the_memory_of_their_machine(sources, monkeypatch) -> None:
    monkeypatch.setattr(stored, "available_memory", lambda: 10**7)  # 60 images are 0.7 MB
    assert not isinstance(load(sources["parquet"]).images, StoredImages)
    told = {
        "RANK": "8",
        "WORLD_SIZE": "16",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "8",
        "TORCHELASTIC_RUN_ID": "a",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert isinstance(load(sources["parquet"]).images, StoredImages)


@pytest.mark.parametrize("kind", KINDS)
def test_tagged_images_stay_where_they_are(sources, kind) -> None:
    here, there = (load(f"tagged:{sources[kind]}", stored=is_stored) for is_stored in (False, True))
    assert isinstance(there.images, StoredImages)
    assert not isinstance(here.images, StoredImages)
    rows = torch.tensor([31, 3, 3, 0])
    assert there.images[rows].equal(here.images[rows])
    assert (there.digest, there.origin) == (here.digest, here.origin)
    assert there.part(9).digest == here.part(9).digest
    assert pickle.loads(pickle.dumps(there.images.shared_by(3)))[rows].equal(here.images[rows])


@pytest.mark.parametrize("shift", ["fog:3", "low:8"])
def test_a_shift_is_made_in_memory_or_refused(sources, monkeypatch, shift) -> None:
    source = f"{sources['parquet']}@{shift}"
    assert not isinstance(load(source).images, StoredImages)
    with pytest.raises(NotbugsError, match=rf"@{shift} is made in memory, .* shift fewer of them") as caught:
        load(source, stored=True)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(stored, "available_memory", lambda: 10**6)
    with pytest.raises(NotbugsError, match="is made in memory"):
        load(source)
    assert len(load(f"digits@{shift}", stored=True)) == 1297  # in memory in any case


def test_a_digest_goes_along_to_a_device(sources) -> None:
    there = load(sources["parquet"], stored=True)
    assert there.to("cpu") is there
    far = replace(there, images=there.images.to("cuda"))  # nothing is read
    vars(far)["digest"] = "known"
    assert far.to("cpu").digest == "known"
    assert far.relabeled(far.labels).to("cpu").digest == there.digest


def with_memory(monkeypatch):
    for available in (10**6, 10**8):  # 60 images are 0.7 MB
        monkeypatch.setattr(stored, "available_memory", lambda: available)  # noqa: B023
        yield available


def path_of(sources) -> Path:
    return Path(sources["parquet"].removeprefix("parquet:"))


@pytest.mark.parametrize("builder", [det(), MatchEmbeddings(steps=2, step_size=0.2)], ids=["det", "robust"])
@pytest.mark.parametrize("kind", ["parquet", "built"])
def test_what_is_built_from_them_has_the_same_bytes(sources, kind, builder, tmp_path) -> None:
    model = build("convnet-8-8-8-8", classes=10, seed=0)
    made: list[Run] = []
    for data, name in zip(both(sources[kind]), ("here", "there"), strict=True):
        job = Job(root=tmp_path / name, seed=0)
        made.append(build_job(job, "built", builder, model, data, shard_size=25))
    assert made[0].path.name == made[1].path.name
    first, second = (read_built(run.path, stored=False) for run in made)
    assert first.digest == second.digest
    assert (made[0].path / "origin.json").read_text() == (made[1].path / "origin.json").read_text()


def test_an_image_that_is_damaged_is_named_when_it_is_read(sources, tmp_path) -> None:
    folder = Path(sources["folder"].removeprefix("folder:"))
    shutil.copytree(folder, tmp_path / "folder")
    data = load(f"folder:{tmp_path / 'folder'}", stored=True)
    broken = Path(data.images.reader.files[5])
    broken.write_bytes(broken.read_bytes()[:-30])
    assert len(data.take(torch.arange(5))) == 5
    with pytest.raises(NotbugsError, match=f"{broken.name}: not a complete image"):
        data.take(torch.arange(4, 7))
