"""`python -m benchmarks.run`: attack and adversarial training, ours beside peers and plain loops, in one run."""

import argparse
import json
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from benchmarks.attackers import ATTACKERS, Task, ours
from benchmarks.contest import Contender, prepare_job, rates, take_turns
from benchmarks.environments import PEERS, SCRATCH, prepare, version_of
from benchmarks.judge import predictions, verdict
from benchmarks.show import show
from benchmarks.subjects import KINDS, Subject
from benchmarks.trainers import SLICE
from notbugs import hardware
from notbugs.errors import NotbugsError
from notbugs.models import load_model
from notbugs.threats import L2

EPS = 0.5

NAMED_PATH = re.compile(r"(\w+)=/.*")


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    hardware.keep_freed_memory()
    contenders, absent = present(options)
    subject = Subject(source=options.source, root=options.data_root, arch=options.arch, seed=options.seed)
    try:
        subject.images("test")
    except NotbugsError as error:
        print(f"{error}; falling back to planted images", file=sys.stderr)
        subject = Subject(source="planted", root=None, arch=options.arch, seed=options.seed)
    result = {**about("run", options, contenders, absent), "source": subject.source, "attack": {}}
    for kind in options.models:
        result["attack"][kind] = attack_contest(subject, kind, contenders, options)
        write(options.out, result)
    if options.train_batches:
        result["training"] = training_contest(subject, contenders, options)
        write(options.out, result)
    show(result)


def about(
    name: str, options: argparse.Namespace, contenders: Sequence[str], absent: dict[str, str]
) -> dict[str, Any]:
    """What a result depends on: the setting, and which networks, of which contenders."""
    versions = {peer: version_of(peer) for peer in contenders if peer in PEERS}
    return {
        **setting(name, options, device=options.device),
        "source": options.source,
        "arch": options.arch,
        "versions": versions,
        "absent": absent,
    }


def setting(name: str, options: argparse.Namespace, *, device: str = "cpu") -> dict[str, Any]:
    """What every result depends on: command, machine, torch, threads, seed."""
    return {
        "schema": 1,
        "command": f"python -m benchmarks.{name} " + shlex.join(without_paths(sys.argv[1:])),
        "machine": machine(device),
        "torch": torch.__version__,
        "threads": options.threads,
        "seed": options.seed,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "bench.json")
    parser.add_argument("--source", default="cifar10")
    parser.add_argument("--data-root", help="directory with CIFAR-10 in Parquet; without it the hub is asked")
    parser.add_argument("--arch", default="wrn-10-2")
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--models", nargs="*", choices=KINDS, default=list(KINDS), help="which are attacked")
    parser.add_argument("--contenders", nargs="+", choices=list(ATTACKERS), default=list(ATTACKERS))
    parser.add_argument(
        "--train-batches", type=int, default=4 * SLICE,
        help=f"a multiple of {SLICE}, of which the first {SLICE} are not counted; 0: no training",
    )  # fmt: skip
    options = parser.parse_args()
    if options.train_batches % SLICE or options.train_batches == SLICE:
        parser.error(f"--train-batches must be a multiple of {SLICE}, and more than that")
    options.device = str(hardware.choose_device(options.device))
    return options


def present(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """The contenders that work here, and why the others do not."""
    absent = {}
    for peer in PEERS:
        if peer in options.contenders and (reason := prepare(peer)):
            absent[peer] = reason
            print(f"without {peer}: {reason}", file=sys.stderr)
    return [name for name in options.contenders if name not in absent], absent


def attack_contest(
    subject: Subject, kind: str, contenders: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """PGD in L2 on one model, every contender in turn, `repeats` times."""
    task = Task(eps=EPS, steps=options.steps, step_size=2.5 * EPS / options.steps, batch_size=options.batch)
    model = subject.model(kind, torch.device(options.device))
    test = subject.images("test").first(options.n)
    directory = SCRATCH / "attack" / kind
    job = {"threads": options.threads, "seed": options.seed, "device": options.device}
    prepare_job(directory, model, test.images, test.labels, task, **job)
    print(f"attack on the {kind} model", file=sys.stderr)
    rows = {}
    for name, turns in take_turns("attack", list(contenders), directory, repeats=options.repeats).items():
        found = safetensors.torch.load_file(directory / f"{name}.safetensors")["images"]
        counted = verdict(model, test.images, test.labels, found, L2(EPS))
        rows[name] = {**rates(turns, len(test)), **counted}
    clean = float((predictions(model, test.images) == test.labels).float().mean())
    tested = {"n": len(test), "batch": options.batch, "repeats": options.repeats, "clean_accuracy": clean}
    return {**tested, "task": vars(task), "contenders": rows}


def training_contest(
    subject: Subject, contenders: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """PGD-7 adversarial training from the standard model: every contender the same number of batches."""
    task = Task(eps=EPS, steps=7, step_size=0.125, batch_size=options.batch)
    train = subject.images("train").first(options.batch * SLICE)
    test = subject.images("test").first(options.n)
    directory = SCRATCH / "training"
    start = subject.model("standard", torch.device(options.device))
    job = {"threads": options.threads, "seed": options.seed, "device": options.device}
    course = {"batches": options.train_batches, "lr": 0.05}
    prepare_job(directory, start, train.images, train.labels, task, **job, **course)
    print("adversarial training", file=sys.stderr)
    running = [Contender("train", name, directory) for name in contenders]
    for _ in range(options.train_batches // SLICE):
        for contender in running:
            contender.turn()
    judged = Task(eps=EPS, steps=20, step_size=0.0625, batch_size=options.batch)
    rows = {}
    for contender in running:
        contender.end("go")
        model = load_model(directory / f"{contender.name}.safetensors").eval()
        found = ours(model, test.images, test.labels, judged)
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(model(test.images), test.labels)
        counted = verdict(model, test.images, test.labels, found, L2(EPS))
        rows[contender.name] = {
            **rates(
                contender.turns[1:], options.batch * SLICE
            ),  # the first loads kernels and traces networks
            "clean_loss": float(loss),
            "clean_accuracy": counted["right_before"] / len(test),
            "robust_accuracy": counted["robust_accuracy"],
            "robust_interval": counted["robust_interval"],
        }
    tested = {
        "n": len(test),
        "batch": options.batch,
        "batches": options.train_batches,
        "not_counted": SLICE,
        "start": "standard",
    }
    return {**tested, "task": vars(task), "judged_by": vars(judged), "contenders": rows}


def machine(device: str) -> dict[str, Any]:
    """The processor, never the host's name."""
    found = {"processor": platform.processor() or platform.machine(), "cores": torch.get_num_threads()}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        fields = [line.partition(":") for line in cpuinfo.read_text().splitlines()]
        values = {key.strip(): value.strip() for key, _, value in fields}
        flags = values.get("flags", "").split()
        found = {
            "processor": values.get("model name", "unknown"),
            "family_model": f"{values.get('cpu family')}/{values.get('model')}",
            "cores": sum(key.strip() == "processor" for key, _, _ in fields),
            "bfloat16": "avx512_bf16" in flags,
        }
    if device.startswith("cuda"):
        found["accelerator"] = torch.cuda.get_device_name(device)
    return found


def without_paths(words: Sequence[str]) -> list[str]:
    """A command line that anyone can repeat: where the data lie and where the result goes is his own affair."""
    told = list(words)
    stand_ins = {
        "--data-root": "DATA",
        "--out": "OUT.json",
        "--peer": "CHECKOUT",
        "--model": "MODEL",
        "--picture": "OUT.png",
    }
    for option, stand_in in stand_ins.items():
        if option in told:
            told[told.index(option) + 1] = stand_in
    before = ["", *told]
    return [
        option.lstrip("-").upper() if Path(word).is_absolute() else NAMED_PATH.sub(r"\1=PATH", word)
        for option, word in zip(before, told, strict=False)
    ]


def write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
