"""Wrong input: one clear line on stderr, exit code 2, no traceback, nothing half-written."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from notbugs.data import export
from notbugs.data.planted import planted
from notbugs.models import build, save_model

TRAIN = ("train", "--quiet")
BUILD = ("build", "det", "--quiet")


def images(folder: Path, classes: int, count: int = 5) -> Path:
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (32, 32), (40 * label, 9 * index, 80)).save(
                folder / f"class{label}" / f"{index}.png"
            )
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with one of each: good and bad images, models, data sets."""
    monkeypatch.chdir(tmp_path)
    images(Path("good"), 2)
    images(Path("one_class"), 1)
    images(Path("text"), 2)
    Path("text/class0/0.png").write_text("this is no image")
    images(Path("truncated"), 2)
    whole = Path("truncated/class1/3.png").read_bytes()
    Path("truncated/class1/3.png").write_bytes(whole[: len(whole) // 2])
    images(Path("hollow"), 2)
    Path("hollow/class9").mkdir()
    Path("nothing").mkdir()
    Path("file.txt").write_text("text")
    model = build("convnet-16-16-16-16", classes=10, seed=0)
    save_model(model, Path("model.safetensors"))
    save_model(build("convnet-16-16-16-16", classes=2, seed=0), Path("two.safetensors"))
    Path("pickle.safetensors").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    Path("cut.safetensors").write_bytes(Path("model.safetensors").read_bytes()[:1000])
    tensors = load_file("two.safetensors")
    tensors["head.weight"][0, 0] = torch.nan
    from safetensors import safe_open

    with safe_open("two.safetensors", framework="pt") as file:
        save_file(tensors, "nan.safetensors", metadata=file.metadata())
    export(planted("train", count=20), Path("planted"), "parquet")
    return tmp_path


MISTAKES = {
    "unknown command": (["sudy"], 'Did you mean "study"'),
    "unknown study": (["study", "plantde"], "did you mean 'planted'"),
    "paper without cifar10": (["study", "digits", "--recipe", "paper"], "use: notbugs study cifar10"),
    "photographs without any": (["study", "photographs"], "notbugs study --data folder:PATH"),
    "unknown option": (["study", "--ot", "x"], "--ot"),
    "unknown source": ([*TRAIN, "--data", "cifar11"], "did you mean 'cifar10'"),
    "no source": ([*TRAIN], "--data"),
    "source without a path": ([*TRAIN, "--data", "folder:"], "folder:PATH"),
    "missing folder": ([*TRAIN, "--data", "folder:nowhere"], "nowhere"),
    "empty folder": ([*TRAIN, "--data", "folder:nothing"], "nothing"),
    "a file as a folder": ([*TRAIN, "--data", "folder:file.txt"], "file.txt"),
    "an empty class folder": ([*TRAIN, "--data", "folder:hollow"], "class9"),
    "text as an image": ([*TRAIN, "--data", "folder:text"], "0.png"),
    "a truncated image": ([*TRAIN, "--data", "folder:truncated"], "3.png"),
    "one class": ([*TRAIN, "--data", "folder:one_class"], "class"),
    "missing Parquet": ([*TRAIN, "--data", "parquet:nowhere"], "nowhere"),
    "text as Parquet": ([*TRAIN, "--data", "parquet:file.txt"], "file.txt"),
    "data root that is not there": ([*TRAIN, "--data", "cifar10", "--data-root", "nowhere"], "nowhere"),
    "wrong class name": (
        [*TRAIN, "--data", "cifar10:class 1,clas 2", "--data-root", "planted"], "did you mean 'class 2'",
    ),
    "not a built set": ([*TRAIN, "--data", "built:good"], "origin.json"),
    "unknown network": ([*TRAIN, "--data", "digits", "--arch", "resnet17"], "did you mean 'resnet1"),
    "impossible depth": ([*TRAIN, "--data", "digits", "--arch", "wrn-11-2"], "6n + 4"),
    "batch larger than the data": ([*TRAIN, "--data", "folder:good", "--batch-size", "128"], "choose at most"),
    "zero epochs": ([*TRAIN, "--data", "digits", "--epochs", "0"], "epochs must be positive"),
    "negative learning rate": ([*TRAIN, "--data", "digits", "--lr", "-1"], "lr must be positive"),
    "lr that is no number": ([*TRAIN, "--data", "digits", "--lr", "fast"], "fast"),
    "nan learning rate": ([*TRAIN, "--data", "digits", "--lr", "nan"], "lr must be positive"),
    "unknown schedule": ([*TRAIN, "--data", "digits", "--schedule", "cosin"], "did you mean 'cosine'"),
    "average of one": ([*TRAIN, "--data", "digits", "--average", "1"], "average must lie in [0, 1)"),
    "translate past the image": ([*TRAIN, "--data", "digits", "--translate", "40"], "translate"),
    "negative noise": ([*TRAIN, "--data", "digits", "--noise", "-1"], "noise"),
    "unknown attack": ([*TRAIN, "--data", "digits", "--attack", "fgsm:l2:1:1"], "unknown attack"),
    "attack without steps": ([*TRAIN, "--data", "digits", "--attack", "pgd:l2:0.5"], "pgd:l2:0.5:7"),
    "attack of zero steps": ([*TRAIN, "--data", "digits", "--attack", "pgd:l2:0.5:0"], "at least 1"),
    "division by zero": ([*TRAIN, "--data", "digits", "--attack", "pgd:linf:8/0:7"], "8/255"),
    "negative eps": (
        [*BUILD, "--data", "planted", "--model", "model.safetensors", "--threat", "l2:-1"], "positive",
    ),
    "eps without a norm": (
        [*BUILD, "--data", "planted", "--model", "model.safetensors", "--threat", "0.5"], "threat",
    ),
    "unknown norm": ([*BUILD, "--data", "planted", "--model", "model.safetensors", "--threat", "l3:1"], "l2"),
    "zero steps": ([*BUILD, "--data", "planted", "--model", "model.safetensors", "--steps", "0"], "steps"),
    "step of zero": (
        [*BUILD, "--data", "planted", "--model", "model.safetensors", "--step-size", "0"], "step_size",
    ),
    "a threat where nothing is pushed": (
        ["build", "robust", "--data", "planted", "--model", "model.safetensors", "--threat", "l2:1"], "rand and det",
    ),
    "a start where nothing is matched": (
        [*BUILD, "--data", "planted", "--model", "model.safetensors", "--start", "noise"], "leave it out",
    ),
    "unknown kind": (["build", "robst", "--model", "model.safetensors", "--data", "planted"], "robst"),
    "missing model": ([*BUILD, "--data", "planted", "--model", "nowhere"], "nowhere"),
    "a folder without a model": ([*BUILD, "--data", "planted", "--model", "good"], "model.safetensors"),
    "a pickle as a model": ([*BUILD, "--data", "planted", "--model", "pickle.safetensors"], "pickle.safetensors"),
    "a cut model": ([*BUILD, "--data", "planted", "--model", "cut.safetensors"], "cut.safetensors"),
    "NaN weights": ([*BUILD, "--data", "folder:good", "--model", "nan.safetensors"], "NaN"),
    "a model for other classes": ([*BUILD, "--data", "planted", "--model", "two.safetensors"], "classes"),
    "an audit of nothing": (["audit", "nowhere", "--data", "planted"], "package.module:factory"),
    "eps in levels of 255": (
        ["audit", "model.safetensors", "--data", "planted", "--threat", "linf:8"], "linf:8/255",
    ),
    "an audit within nothing": (["audit", "model.safetensors", "--data", "planted", "--threat", "l2:0"], "positive"),
    "an unknown suite": (["audit", "model.safetensors", "--data", "planted", "--suite", "fasd"], "fasd"),
    "an audit of no section": (["audit", "model.safetensors", "--data", "planted", "--sections", "fog"], "reliance"),
    "an audit of no model": (["audit", "--data", "planted"], "name at least one model"),
    "the same model twice": (["audit", *["model.safetensors"] * 2, "--data", "planted"], "name each once"),
    "a limit without a value": (["audit", "digits", "--data", "planted", "--fail-under", "robust"], "robust=0.4"),
    "a limit beyond 1": (["audit", "digits", "--data", "planted", "--fail-under", "robust=40"], "between 0 and 1"),
    "an audit of no images": (["audit", "model.safetensors", "--data", "planted", "--n", "0"], "n must be positive"),
    "an audit of other classes": (["audit", "two.safetensors", "--data", "planted", "--n", "9"], "classes"),
    "a module that is not there": (["audit", "no_such:made", "--data", "planted"], "as you would import it"),
    "a factory that is not there": (["audit", "json:made", "--data", "planted"], "no attribute"),
    "a factory of no model": (["audit", "builtins:int", "--data", "planted"], "not a callable"),
    "unknown device": ([*TRAIN, "--data", "digits", "--device", "gpu"], "--device"),
    "absent device": ([*TRAIN, "--data", "digits", "--device", "cuda:99"], "--device"),
    "unknown precision": ([*TRAIN, "--data", "digits", "--precision", "fp8"], "float32"),
    "negative seed": ([*TRAIN, "--data", "digits", "--seed", "-1"], "seed"),
    "out below a file": ([*TRAIN, "--data", "digits", "--out", "file.txt/below"], "--out"),
    "report of nothing": (["report"], "run directory"),
    "report of a missing run": (["report", "nowhere"], "nowhere"),
    "report of an unfinished run": (["report", "good"], "result.json"),
    "export of no data set": (["export", "good", "--to", "npz"], "origin.json"),
    "export to an unknown format": (["export", "good", "--to", "csv"], "csv"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda name: name.replace(" ", "-"))
def test_a_mistake_is_one_line(here: Path, notbugs: Callable, mistake: str) -> None:
    tokens, hint = MISTAKES[mistake]
    outcome = notbugs(*tokens)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("notbugs: ")
    assert outcome.err.count("\n") == 1
    assert hint in outcome.err
    assert "Traceback" not in outcome.err
    # Nothing that looks finished was left behind.
    runs = here / "runs"
    assert not list(runs.rglob("result.json")) if runs.exists() else True
    assert not list(runs.rglob("model.safetensors")) if runs.exists() else True
    if mistake in ("unknown network", "impossible depth"):
        assert not runs.exists()
    assert not list(here.rglob(".*"))  # temporary files are hidden ones


def test_a_read_only_root_is_one_line(here: Path, notbugs: Callable) -> None:
    Path("locked").mkdir()
    Path("locked").chmod(0o500)
    if os.access("locked", os.W_OK):  # root writes anywhere; a file in the way is as final
        Path("locked").rmdir()
        Path("locked").write_text("")
    outcome = notbugs(*TRAIN, "--data", "digits", "--out", "locked/runs")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(here: Path, notbugs: Callable) -> None:
    """A file size limit makes every large write fail as a full disk does: in the middle."""
    import resource
    import signal

    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, old[1]))
    try:
        outcome = notbugs(*BUILD, "--data", "parquet:planted", "--model", "model.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "cannot write" in outcome.err
    assert not list((here / "runs").rglob("*.safetensors*"))
