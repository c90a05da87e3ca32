"""One attack each, as ours and the peers do it, at equal steps: their documented calls, nothing else.

`task.steps` are gradient steps (square: queries; cw: steps of each of nine rounds). FMN and Carlini-Wagner look for
the nearest image without a limit: the judge counts what lies within the threat, and how far the nearest lie.
"""

import math

import torch
from torch import nn

from benchmarks.attackers import Attacker, Task, art_classifier, as_audits_do


def _ours(make) -> Attacker:
    """`make(attacks, threats, task)` is the attack."""

    def call(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
        from notbugs import attacks, threats

        return as_audits_do(make(attacks, threats, task), model, images, labels, task)

    return call


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


def _apgd(attacks, threats, task: Task):
    return attacks.APGD(threat=threats.L2(task.eps), steps=task.steps)


def _apgd_targeted(attacks, threats, task: Task):
    return attacks.APGDTargeted(threat=threats.L2(task.eps), steps=task.steps)


def _square(attacks, threats, task: Task):
    return attacks.Square(threat=threats.L2(task.eps), queries=task.steps)


def _fab(attacks, threats, task: Task):
    return attacks.FAB(threat=threats.L2(task.eps), steps=task.steps)


def _fmn(attacks, threats, task: Task):
    return attacks.FMN(threat=threats.L2(math.inf), steps=task.steps)


def _carlini_wagner(attacks, threats, task: Task):
    return attacks.CarliniWagner(threat=threats.L2(math.inf), steps=task.steps)


SINGLES: dict[str, dict[str, Attacker]] = {
    "apgd": {
        "ours": _ours(_apgd),
        "torchattacks": _torchattacks("APGD"),
        "art": _art("AutoProjectedGradientDescent", eps_step=1.0, nb_random_init=1),
    },
    "apgd-targeted": {"ours": _ours(_apgd_targeted), "torchattacks": _torchattacks("APGDT")},
    "fab": {"ours": _ours(_fab), "torchattacks": _torchattacks("FAB", multi_targeted=True)},
    "square": {
        "ours": _ours(_square),
        "torchattacks": _torchattacks("Square"),
        "art": _art("SquareAttack"),
    },
    "fmn": {"ours": _ours(_fmn), "foolbox": _foolbox("L2FMNAttack")},
    "cw": {
        "ours": _ours(_carlini_wagner),
        "foolbox": _foolbox("L2CarliniWagnerAttack", binary_search_steps=9),
    },
}
"""Attack -> contender -> how that one does it."""
