"""Several ranks train what one process does: the same to rounding; and what they do is repeated to the byte."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from benchmarks.torchrun import attempts, processes, said, torchrun
from on_ranks import CONFIGS, batch, digits, normalized, trained
from safetensors.torch import load_file

from notbugs.data import Augmentation
from notbugs.models import build
from notbugs.seeds import Rows, generator
from notbugs.threats import L1, L2, Linf, parse_threat

TOLERANCE = 1e-4
"""Largest difference of any weight or statistic after the ten steps of these trainings; measured: 1e-6 to 8e-6.
One addition in another order is 1e-7; every step multiplies it, so that long trainings end as far apart as those of
one process with one and with two threads."""

TRAIN = ["train", "--data", "digits", "--arch", "convnet-8-8-8-8", "--batch-size", "400", "--epochs", "8"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks have left of `on_ranks`."""
    where = tmp_path_factory.mktemp("ranks")
    process = torchrun(
        [str(Path(__file__).with_name("on_ranks.py")), str(where)], ranks=2, logs=where / "logs"
    )
    assert process.wait(timeout=100) == 0, said(where / "logs", 0)
    return where


# One batch, several parts


def test_batch_norm_is_that_of_the_batches_put_together(worked: Path) -> None:
    features, gradients, plain = batch()
    whole = normalized(plain, features, gradients)
    parts = [load_file(worked / f"rank{rank}.safetensors") for rank in range(2)]
    for name in ("out", "gradient"):
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), whole[name])
    for name in ("weight", "bias"):
        torch.testing.assert_close(parts[0][name] + parts[1][name], whole[name])
    for name in whole:
        if name.startswith("running"):
            torch.testing.assert_close(parts[0][name], whole[name])
            assert torch.equal(parts[0][name], parts[1][name])


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize(
    "augment",
    [
        Augmentation(flip=True, translate=2, cutout=4),
        Augmentation(noise=0.1),
        Augmentation(noise=(0.0, 0.1), crop=0.5, colour=0.3),
    ],
    ids=repr,
)
def test_an_image_is_augmented_the_same_in_every_part(augment: Augmentation, parts: int) -> None:
    images = digits().images[:17]
    made = [
        augment(rows.share(images), generator=generator(0), rows=rows) for rows in Rows.whole(17).split(parts)
    ]
    torch.testing.assert_close(torch.cat(made), augment(images, generator=generator(0)))


@pytest.mark.parametrize(
    "threat", [L2(0.5), Linf(0.1), L1(3.0), parse_threat("l2:1@region:1,1,4x4")], ids=str
)
def test_a_search_starts_at_the_same_place_in_every_part(threat) -> None:
    images = digits().images[:17]
    made = [threat.random_start(rows.share(images), generator(0), rows) for rows in Rows.whole(17).split(3)]
    torch.testing.assert_close(torch.cat(made), threat.random_start(images, generator(0)))


def test_parts_are_those_of_torch() -> None:
    for count in range(8):
        for parts in range(1, 5):
            ours = [rows.share(torch.arange(count)) for rows in Rows.whole(count).split(parts)]
            assert list(map(torch.Tensor.tolist, ours)) == [
                part.tolist() for part in torch.arange(count).tensor_split(parts)
            ]


# Trainings


@pytest.mark.parametrize("name", CONFIGS)
def test_two_ranks_train_what_one_process_does(worked: Path, name: str) -> None:
    model, told = trained(CONFIGS[name])
    whole, parts = model.state_dict(), load_file(worked / f"{name}.safetensors")
    assert whole.keys() == parts.keys()
    apart = {key: float((parts[key].double() - whole[key].double()).abs().max()) for key in whole}
    assert max(apart.values()) < TOLERANCE, apart
    untrained = build("convnet-8-8-8-8", classes=10, seed=0).state_dict()
    moved = {key: float((untrained[key].double() - whole[key].double()).abs().max()) for key in whole}
    assert max(moved.values()) > 100 * TOLERANCE
    told_by_ranks = [float(word) for word in (worked / f"{name}.txt").read_text().split()]
    assert told_by_ranks == pytest.approx(told, abs=TOLERANCE)


def test_a_rank_that_is_killed_changes_nothing(worked: Path, tmp_path: Path) -> None:
    """Ranks of the command line, one of them killed, against ranks that nothing hit and that called the library."""
    words = ["-m", "notbugs.app", *TRAIN, "--quiet", "--out", str(tmp_path / "runs")]
    launched = torchrun(words, ranks=2, logs=tmp_path / "logs", restarts=3)
    while not list(tmp_path.glob("runs/*/checkpoint/state.safetensors")):
        assert launched.poll() is None, said(tmp_path / "logs", 0)
        time.sleep(0.02)
    os.kill(processes(launched)[1], signal.SIGKILL)
    assert launched.wait(timeout=100) == 0, said(tmp_path / "logs", 0)
    assert attempts(tmp_path / "logs") == 2
    differ = ("result.json", "report.html", "provenance.json")  # by how long it took, and who asked
    hit, whole = (
        {path.name: path.read_bytes() for path in out.rglob("*.*") if path.name not in differ}
        for out in (tmp_path / "runs", worked / "runs")
    )
    assert hit == whole
    assert set(hit) == {"config.json", "metrics.jsonl", "model.safetensors"}
    provenance = next(tmp_path.glob("runs/*/provenance.json"))
    assert json.loads(provenance.read_text())["machine"]["world_size"] == 2
    assert "clean_accuracy" in said(tmp_path / "logs", 0, "stdout")
    assert said(tmp_path / "logs", 1, "stdout") == ""


# Mistakes


def test_what_ranks_cannot_do_is_refused_by_all(worked: Path) -> None:
    first, second = ((worked / f"rank{rank}.txt").read_text().splitlines() for rank in range(2))
    assert first[:4] == second[:4]
    assert first[0].startswith("contrast compares all views of a batch")
    assert first[1].startswith("batch_size 1 leaves some of 2 ranks without an image")
    assert first[2].startswith("training diverged in epoch 1")
    assert first[3].startswith("training diverged in epoch 1")
    assert (first[4], second[4]) == ("rank 1: the disk is full", "the disk is full")
    for line in (first[5], second[5]):
        assert re.match("not all ranks see what is in .*: all machines need the same --out", line)


def test_a_mistake_of_another_rank_is_said_by_the_first(tmp_path: Path) -> None:
    """As when one machine lacks the data."""
    (tmp_path / "alone.py").write_text(
        "import os, sys\n"
        "from notbugs.app.cli import main\n"
        "sys.argv[sys.argv.index('digits')] = ['digits', 'folder:nowhere'][int(os.environ['RANK'])]\n"
        "main()\n"
    )
    words = [str(tmp_path / "alone.py"), *TRAIN, "--out", str(tmp_path / "runs")]
    assert torchrun(words, ranks=2, logs=tmp_path / "logs").wait(timeout=100) != 0
    assert re.search("notbugs: rank 1: .*nowhere.*\n", said(tmp_path / "logs", 0))


@pytest.mark.parametrize(
    "words, line",
    [
        (["study", "planted"], "torchrun is for train alone; other commands take --on ray"),
        (["train", "--data", "folder:nowhere"], "nowhere"),
    ],
    ids=["study", "no data"],
)
def test_a_mistake_is_one_line_of_the_first_rank(tmp_path: Path, words: list[str], line: str) -> None:
    process = torchrun(
        ["-m", "notbugs.app", *words, "--out", str(tmp_path / "runs")], ranks=2, logs=tmp_path / "logs"
    )
    assert process.wait(timeout=100) != 0
    first, second = said(tmp_path / "logs", 0), said(tmp_path / "logs", 1)
    assert re.fullmatch(f"notbugs: .*{line}.*\n", first), first
    assert second == ""
    assert not (tmp_path / "runs").exists()
