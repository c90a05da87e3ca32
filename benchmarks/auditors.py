"""A whole evaluation as each contender does it: our suites, and the official AutoAttack in its standard version.

Every function takes what an attacker takes and tells on stderr what stands after each attack, and when.
"""

import sys
import time

import torch
from torch import nn

from benchmarks.attackers import Attacker, Task, labelled

COUNTED = "from here on it counts"
"""Written to a contender's log between its warm-up and its turn."""


def suite(name: str) -> Attacker:
    """notbugs.audit with the attacks of a suite, without the search for the nearest images and the sanity checks."""

    def evaluate(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
        from notbugs.audits import audit, suite_attacks
        from notbugs.threats import parse_threat

        threat, started = parse_threat(f"{task.norm}:{task.eps}"), time.perf_counter()

        def tell(done: int, total: int, note: str) -> None:
            if " stand" in note:
                print(f"{note} ({time.perf_counter() - started:.1f} s)", file=sys.stderr, flush=True)

        attacks = suite_attacks(name, threat, classes=model.spec.classes)
        data = labelled(model, images, labels)
        return audit(
            model,
            data,
            threat=threat,
            attacks=attacks,
            sanity=False,
            batch_size=task.batch_size,
            progress=tell,
        ).found.images

    return evaluate


def autoattack(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """AutoAttack(version="standard").run_standard_evaluation."""
    import logging

    from pyautoattack import AutoAttack

    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    logging.getLogger("auto-attack").setLevel(logging.DEBUG)
    norm = {"l2": "L2", "linf": "Linf"}[task.norm]
    adversary = AutoAttack(
        model, norm=norm, eps=task.eps, version="standard", device=str(images.device), seed=0
    )
    return adversary.run_standard_evaluation(images, labels, batch_size=task.batch_size)[0]


SUITES = ("fast", "standard")
"""Of those, which are ours."""

AUDITORS: dict[str, Attacker] = {name: suite(name) for name in SUITES} | {"autoattack": autoattack}
