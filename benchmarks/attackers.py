"""The same attack (PGD in L2, fixed start, fixed step) as each contender does it: its documented call, nothing else.

Every function takes the model in evaluation mode, float32 images in [0, 1] and the labels, and gives
adversarial images. A peer's package is imported inside its function: only its own environment has it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from art.estimators.classification import PyTorchClassifier

    from notbugs.attacks import Attack
    from notbugs.data import LabeledImages


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every contender is asked to do."""

    eps: float
    steps: int
    step_size: float
    batch_size: int
    norm: str = "l2"


def _batches(images: torch.Tensor, labels: torch.Tensor, task: Task) -> zip:
    return zip(images.split(task.batch_size), labels.split(task.batch_size), strict=True)


def ours(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """notbugs.PGD as audits run it."""
    from notbugs.attacks.pgd import PGD
    from notbugs.threats import L2

    attack = PGD(
        threat=L2(task.eps),
        steps=task.steps,
        step_size=task.step_size,
        random_start=False,
        stop_when_fooled=True,
    )
    return as_audits_do(attack, model, images, labels, task)


def as_audits_do(
    attack: "Attack", model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task
) -> torch.Tensor:
    """Folded model in the fast format, fooled images leave the batch, and what float32 may see otherwise is searched
    again in float32.
    """
    from notbugs.audits import propose, views_of
    from notbugs.seeds import generator

    views = views_of(model, images.device, precision="auto")
    draw = partial(generator, 0, device=images.device)
    return propose(
        views, attack, labelled(model, images, labels), draw=draw, batch_size=task.batch_size
    ).images


def labelled(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> "LabeledImages":
    """The images as notbugs takes them; the classes have no names here."""
    from notbugs.data.labeled import LabeledImages

    return LabeledImages(images=images, labels=labels, class_names=tuple(map(str, range(model.spec.classes))))


def _plain_loop(
    model: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, labels: torch.Tensor, task: Task
) -> torch.Tensor:
    """PGD as anyone would write it in an afternoon."""
    found = images.clone()
    for _ in range(task.steps):
        found.requires_grad_(True)
        loss = functional.cross_entropy(model(found), labels)
        (gradient,) = torch.autograd.grad(loss, found)
        length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        change = found.detach() + task.step_size * gradient / length - images
        size = change.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        found = (images + change * (task.eps / size).clamp_max(1)).clamp(0, 1)
    return found.detach()


def plain_float32(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """A plain loop, float32, NCHW."""
    return torch.cat([_plain_loop(model, x, y, task) for x, y in _batches(images, labels, task)])


def plain_bfloat16(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """The plain loop with the two switches that PyTorch's tuning guide names: autocast and channels_last."""
    model = model.to(memory_format=torch.channels_last)

    def logits(batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast(batch.device.type, dtype=torch.bfloat16):
            return model(batch.contiguous(memory_format=torch.channels_last)).float()

    return torch.cat([_plain_loop(logits, x, y, task) for x, y in _batches(images, labels, task)])


def foolbox(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """foolbox.attacks.L2PGD."""
    import foolbox as fb

    bounded = fb.PyTorchModel(model, bounds=(0, 1), device=images.device)
    attack = fb.attacks.L2PGD(abs_stepsize=task.step_size, steps=task.steps, random_start=False)
    found = [attack(bounded, x, y, epsilons=task.eps)[1] for x, y in _batches(images, labels, task)]
    return torch.cat(found)


def torchattacks(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """torchattacks.PGDL2."""
    import torchattacks as ta

    attack = ta.PGDL2(model, eps=task.eps, alpha=task.step_size, steps=task.steps, random_start=False)
    return torch.cat([attack(x, y) for x, y in _batches(images, labels, task)])


def art_classifier(model: nn.Module, images: torch.Tensor) -> "PyTorchClassifier":
    """The model as adversarial-robustness-toolbox takes it."""
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(
        model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=model.spec.classes,
        clip_values=(0.0, 1.0),
        device_type="gpu" if images.is_cuda else "cpu",
    )


def art(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """art.attacks.evasion.ProjectedGradientDescentPyTorch; it splits into batches itself."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch

    classifier = art_classifier(model, images)
    attack = ProjectedGradientDescentPyTorch(
        classifier,
        norm=2,
        eps=task.eps,
        eps_step=task.step_size,
        max_iter=task.steps,
        num_random_init=0,
        batch_size=task.batch_size,
        verbose=False,
    )
    found = attack.generate(x=images.cpu().numpy(), y=labels.cpu().numpy())
    return torch.from_numpy(found).to(images.device)


Attacker = Callable[[nn.Module, torch.Tensor, torch.Tensor, Task], torch.Tensor]

ATTACKERS: dict[str, Attacker] = {
    "ours": ours,
    "plain_float32": plain_float32,
    "plain_bfloat16": plain_bfloat16,
    "foolbox": foolbox,
    "torchattacks": torchattacks,
    "art": art,
}
