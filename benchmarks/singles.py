"""One attack each, as ours and the peers do it, at equal steps: their documented calls, nothing else.

Ours comes twice where it can give up an image that will not fall: so, and to the end.

`task.steps` are gradient steps (square: queries; cw: steps of each of nine rounds). FMN and Carlini-Wagner look for
the nearest image without a limit: the judge counts what lies within the threat, and how far the nearest lie.
"""

import math

import torch
from torch import nn

from benchmarks.attackers import Attacker, Task, art_classifier, as_audits_do


def _ours(name: str, budget: str = "steps", *, limited: bool = True, **options) -> Attacker:
    """notbugs.attacks.NAME as audits run it; `limited`: within eps, not the nearest however far."""

    def call(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
        from notbugs import attacks
        from notbugs.threats import L2

        threat = L2(task.eps if limited else math.inf)
        attack = getattr(attacks, name)(threat=threat, **{budget: task.steps}, **options)
        return as_audits_do(attack, model, images, labels, task)

    return call


def _both(name: str, budget: str = "steps") -> dict[str, Attacker]:
    """Ours with `abort_early`, and to the end."""
    return {"ours": _ours(name, budget, abort_early=True), "ours_to_the_end": _ours(name, budget)}


def _in_batches(attack, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    pairs = zip(images.split(task.batch_size), labels.split(task.batch_size), strict=True)
    return torch.cat([attack(x, y) for x, y in pairs])


def _torchattacks(name: str, **options) -> Attacker:
    def call(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
        import torchattacks

        counted = {"n_queries": task.steps} if name == "Square" else {"steps": task.steps}
        attack = getattr(torchattacks, name)(
            model, norm="L2", eps=task.eps, n_restarts=1, seed=0, **counted, **options
        )
        return _in_batches(attack, images, labels, task)

    return call


def _foolbox(name: str, **options) -> Attacker:
    def call(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
        import foolbox

        bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
        attack = getattr(foolbox.attacks, name)(steps=task.steps, **options)
        return _in_batches(lambda x, y: attack(bounded, x, y, epsilons=None)[1], images, labels, task)

    return call


def _art(name: str, **options) -> Attacker:
    def call(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
        from art.attacks import evasion

        classifier = art_classifier(model, images)
        attack = getattr(evasion, name)(
            classifier,
            max_iter=task.steps,
            batch_size=task.batch_size,
            verbose=False,
            norm=2,
            eps=task.eps,
            **options,
        )
        found = attack.generate(x=images.cpu().numpy(), y=labels.cpu().numpy())
        return torch.from_numpy(found).to(images.device)

    return call


SINGLES: dict[str, dict[str, Attacker]] = {
    "apgd": {
        **_both("APGD"),
        "torchattacks": _torchattacks("APGD"),
        "art": _art("AutoProjectedGradientDescent", eps_step=1.0, nb_random_init=1),
    },
    "apgd-targeted": {**_both("APGDTargeted"), "torchattacks": _torchattacks("APGDT")},
    "fab": {**_both("FAB"), "torchattacks": _torchattacks("FAB", multi_targeted=True)},
    "square": {
        **_both("Square", "queries"),
        "torchattacks": _torchattacks("Square"),
        "art": _art("SquareAttack"),
    },
    "fmn": {"ours": _ours("FMN", limited=False), "foolbox": _foolbox("L2FMNAttack")},
    "cw": {
        "ours": _ours("CarliniWagner", limited=False),
        "foolbox": _foolbox("L2CarliniWagnerAttack", binary_search_steps=9),
    },
}
"""Attack -> contender -> how that one does it."""
