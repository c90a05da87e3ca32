"""The benchmarks' judge and contenders, without any timing: a benchmark that miscounts is worse than none."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from notbugs.audits import predictions
from notbugs.models import build
from notbugs.threats import L2

ROOT = Path(__file__).parents[1]


@pytest.fixture
def part(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def model():
    return build("convnet-8-8-8-8", classes=3, image_size=8, seed=0).eval()


@pytest.fixture
def images():
    return torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_an_image_outside_the_threat_is_no_success(part, model, images):
    judge = part("judge")
    labels = predictions(model, images)
    other = images[labels != labels[0]]
    if len(other) == 0:
        other = 1 - images[:1]
    found = other[:1].expand_as(images)  # far away, and perhaps another class
    counted = judge.verdict(model, images, labels, found, L2(0.5))
    assert counted["outside_threat"] >= 11
    assert counted["fooled"] == 0
    assert counted["robust_accuracy"] == 1


def test_an_image_that_was_wrong_before_is_no_success(part, model, images):
    judge = part("judge")
    labels = (predictions(model, images) + 1) % 3
    labels[0] = predictions(model, images)[0]
    counted = judge.verdict(model, images, labels, images, L2(0.5))
    assert counted["right_before"] == 1
    assert counted["fooled"] == 0
    assert counted["robust_accuracy"] == pytest.approx(1 / 12)


@pytest.mark.parametrize("contender", ["ours", "plain_float32", "plain_bfloat16"])
def test_contenders_without_a_peer_stay_in_the_threat(part, model, images, contender):
    attackers, judge = part("attackers"), part("judge")
    labels = predictions(model, images)
    task = attackers.Task(eps=0.5, steps=4, step_size=0.3, batch_size=5)
    found = attackers.ATTACKERS[contender](model, images, labels, task)
    assert judge.verdict(model, images, labels, found, L2(0.5))["outside_threat"] == 0


def test_every_contender_can_attack_and_train_and_every_peer_is_pinned(part):
    attackers, trainers, environments = part("attackers"), part("trainers"), part("environments")
    assert list(attackers.ATTACKERS) == list(trainers.TRAINERS)
    for peer in environments.PEERS:
        lines = (ROOT / "benchmarks" / f"requirements-{peer}.txt").read_text().splitlines()
        wanted = [line for line in lines if line and not line.startswith("#")]
        assert "torch==2.13.0" in wanted


def test_training_takes_turns_and_changes_the_weights(part, model, images):
    attackers, trainers = part("attackers"), part("trainers")
    task = attackers.Task(eps=0.5, steps=1, step_size=0.3, batch_size=6)
    course = trainers.Course(task=task, batches=10, lr=0.01, seed=0)
    labels = torch.arange(12) % 3
    for contender in ("ours", "plain_float32"):
        turns = []
        start = model.head.weight.detach().clone()
        trainers.TRAINERS[contender](model, images, labels, course, lambda turns=turns: turns.append(1))
        assert turns
        assert not torch.equal(model.head.weight, start)


def test_a_command_that_is_told_names_no_place_of_one_machine(part):
    words = [
        "--data-root",
        "/data/cifar10",
        "--judge",
        "/home/me/judge.safetensors",
        "other=/home/me/other.safetensors",
        "--n",
        "100",
        "--out",
        "x.json",
    ]
    told = part("run").without_paths(words)
    assert told == [
        "--data-root",
        "DATA",
        "--judge",
        "JUDGE",
        "other=PATH",
        "--n",
        "100",
        "--out",
        "OUT.json",
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*.json")), ids=lambda path: path.name)
def test_a_committed_result_names_no_place_of_one_machine(path):
    words = path.read_text(encoding="utf-8").replace('"', " ").replace("=", " ").split()
    assert not [word for word in words if word.startswith("/") and word.count("/") > 1]
