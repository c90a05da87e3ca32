"""`python -m benchmarks.parity`: robust accuracies and times beside the official AutoAttack, and of single attacks.

Three models (standard, robust in L2, robust in Linf), the same images, one run; every adversarial image is judged
here, in float32, whoever found it.
"""

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import Any

import safetensors.torch
import torch

from benchmarks.attackers import Task
from benchmarks.auditors import AUDITORS, COUNTED
from benchmarks.contest import prepare_job, rates, take_turns
from benchmarks.environments import PEERS, SCRATCH, prepare
from benchmarks.judge import verdict
from benchmarks.run import about, write
from benchmarks.show import show_parity
from benchmarks.singles import SINGLES
from benchmarks.subjects import ATTACKS, Subject
from notbugs import hardware
from notbugs.audits import predictions
from notbugs.threats import L2, Threat, parse_threat

THREATS: dict[str, Threat] = {
    "standard": L2(0.5),
    "robust": L2(0.5),
    "robust-linf": parse_threat("linf:8/255"),
}
STEPS = {"apgd": 100, "apgd-targeted": 20, "fab": 20, "square": 500, "fmn": 50, "cw": 15}
"""Enough to tell attacks apart; a peer that takes minutes for a hundred images decides how many."""


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    hardware.keep_freed_memory()
    absent = {peer: why for peer in PEERS if (why := prepare(peer))}
    for peer, why in absent.items():
        print(f"without {peer}: {why}", file=sys.stderr)
    subject = Subject(
        source=options.source,
        root=options.data_root,
        arch=options.arch,
        seed=options.seed,
        epochs=options.epochs,
    )
    present = [peer for peer in PEERS if peer not in absent]
    result = {**about("parity", options, present, absent), "audits": {}, "singles": {}}
    for kind in options.models:
        contenders = [name for name in AUDITORS if name not in absent]
        task = Task(
            norm=_norm(THREATS[kind]), eps=THREATS[kind].eps, steps=0, step_size=0, batch_size=options.batch
        )
        result["audits"][kind] = contest(subject, kind, "audit", contenders, task, options.n, options)
        write(options.out, result)
    for what in options.singles:
        contenders = [name for name in SINGLES[what] if name not in absent]
        task = Task(eps=0.5, steps=STEPS[what], step_size=0, batch_size=options.batch)
        result["singles"][what] = contest(
            subject, "robust", what, contenders, task, options.single_n, options, repeats=options.repeats
        )
        write(options.out, result)
    show_parity(result)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "parity.json")
    parser.add_argument("--source", default="cifar10")
    parser.add_argument("--data-root", help="directory with CIFAR-10 in Parquet; without it the hub is asked")
    parser.add_argument("--arch", default="convnet-32-64-64-64")
    parser.add_argument("--epochs", type=int, default=8, help="of each training, on 20 000 images")
    parser.add_argument("--n", type=int, default=500, help="images of an audit")
    parser.add_argument("--single-n", type=int, default=128, help="images of a single attack")
    parser.add_argument("--repeats", type=int, default=3, help="of each single attack, in turns")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--models", nargs="*", choices=list(ATTACKS), default=list(ATTACKS))
    parser.add_argument("--singles", nargs="*", choices=list(SINGLES), default=list(SINGLES))
    options = parser.parse_args()
    options.device = str(hardware.choose_device(options.device))
    return options


def contest(
    subject: Subject,
    kind: str,
    what: str,
    contenders: list[str],
    task: Task,
    n: int,
    options: argparse.Namespace,
    *,
    repeats: int = 1,
) -> dict[str, Any]:
    """Every contender in turn, `repeats` times."""
    threat = parse_threat(f"{task.norm}:{task.eps}")
    model = subject.model(kind, torch.device(options.device))
    test = subject.images("test").first(n)
    directory = SCRATCH / what / kind
    job = {"threads": options.threads, "seed": options.seed, "device": options.device}
    prepare_job(directory, model, test.images, test.labels, task, **job)
    print(f"{what} of the {kind} model", file=sys.stderr)
    rows = {}
    # An audit is long, and said once; single attacks take turns.
    for name, turns in take_turns(what, contenders, directory, repeats=repeats).items():
        found = safetensors.torch.load_file(directory / f"{name}.safetensors")["images"]
        rows[name] = {
            **rates(turns, len(test)),
            **verdict(model, test.images, test.labels, found, threat),
            "median_distance": _median_distance(model, test.images, test.labels, found, threat),
            "told": _told(directory / f"{what}-{name}.log"),
        }
    clean = float((predictions(model, test.images) == test.labels).float().mean())
    tested = {"n": len(test), "batch": options.batch, "clean_accuracy": clean, "threat": str(threat)}
    return {**tested, "task": vars(task), "contenders": rows}


def _median_distance(
    model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, found: torch.Tensor, threat: Threat
) -> float:
    """Of the images that were right: how far what was found for them lies, infinite where that does not fool."""
    right = predictions(model, images) == labels
    fooled = predictions(model, found) != labels
    sizes = threat.size(found, images).where(fooled, torch.inf)[right]
    return median(sizes.tolist())


def _told(log: Path) -> list[str]:
    """What an audit says stands after each attack, and when."""
    counted = log.read_text().partition(COUNTED)[2].splitlines()
    return [line.strip() for line in counted if "robust accuracy after" in line or " stand (" in line]


def _norm(threat: Threat) -> str:
    return str(threat).partition(":")[0]


if __name__ == "__main__":
    main()
