"""Adversarial training as each contender does it: the same start, images, batch size, steps and schedule.

The peers bring attacks, not fast training loops, so each attack runs inside the loop that anyone would write.
`pause` is called after every SLICE batches and may wait: that is how the contenders take turns.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from benchmarks.attackers import ATTACKERS, Task

SLICE = 10
"""Batches between two pauses: the rhythm in which `notbugs.train` reports its progress."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What is trained: so many batches with the attack of `task`, peak learning rate `lr`."""

    task: Task
    batches: int
    lr: float
    seed: int


Pause = Callable[[], None]
Trainer = Callable[[nn.Module, torch.Tensor, torch.Tensor, Course, Pause], None]


def ours(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, course: Course, pause: Pause) -> None:
    """notbugs.train as it is."""
    from notbugs.attacks.pgd import PGD
    from notbugs.data.labeled import LabeledImages, Origin
    from notbugs.threats import L2
    from notbugs.training.config import TrainConfig
    from notbugs.training.loop import train

    task = course.task
    attack = PGD(
        threat=L2(task.eps), steps=task.steps, step_size=task.step_size, random_start=False, keep="last"
    )
    names = tuple(map(str, range(model.spec.classes)))
    data = LabeledImages(images=images, labels=labels, class_names=names, origin=Origin(name="benchmark"))
    epochs = course.batches * task.batch_size // len(images)
    config = TrainConfig(epochs=epochs, lr=course.lr, batch_size=task.batch_size, attack=attack)
    train(model, data, config, seed=course.seed, progress=lambda done, total, note: pause())


def with_attack_of(contender: str, *, bfloat16: bool = False) -> Trainer:
    """A plain training loop around one contender's attack."""

    def run(
        model: nn.Module, images: torch.Tensor, labels: torch.Tensor, course: Course, pause: Pause
    ) -> None:
        from notbugs.training.schedule import one_cycle

        attack, size = ATTACKERS[contender], course.task.batch_size
        optimizer = torch.optim.SGD(
            model.parameters(), lr=course.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
        )
        draw = torch.Generator().manual_seed(course.seed)
        per_epoch = len(images) // size
        for step in range(course.batches):
            if step % per_epoch == 0:
                order = torch.randperm(len(images), generator=draw).to(images.device)
            rows = order[step % per_epoch * size :][:size]
            model.eval()
            found = attack(model, images[rows], labels[rows], course.task)
            model.train()
            format_ = torch.autocast(images.device.type, dtype=torch.bfloat16) if bfloat16 else nullcontext()
            with format_:
                loss = functional.cross_entropy(model(found).float(), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.param_groups[0]["lr"] = course.lr * one_cycle((step + 0.5) / course.batches)
            optimizer.step()
            if step % SLICE == SLICE - 1:
                pause()
        model.eval()

    return run


TRAINERS: dict[str, Trainer] = {
    "ours": ours,
    "plain_float32": with_attack_of("plain_float32"),
    "plain_bfloat16": with_attack_of("plain_bfloat16", bfloat16=True),
    "foolbox": with_attack_of("foolbox"),
    "torchattacks": with_attack_of("torchattacks"),
    "art": with_attack_of("art"),
}
