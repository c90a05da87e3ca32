"""The one training loop. Adversarial training is a field of its config, not another function."""

import hashlib
import math
import time
from collections.abc import Callable
from functools import partial
from typing import final

import torch
from torch.nn import functional

from notbugs.attacks.pgd import PGD
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.hardware import choose_precision
from notbugs.locations import Location
from notbugs.models import ImageClassifier, model_digest
from notbugs.models.autocast import autocast_context
from notbugs.models.folding import FoldedClassifier, threads_for
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.threads import over_parts
from notbugs.training.checkpoint import Checkpoint, EpochMetrics, read_checkpoint
from notbugs.training.config import TrainConfig
from notbugs.training.schedule import SCHEDULES
from notbugs.training.state import (
    Tensors,
    averaged,
    follow,
    is_finite,
    load_training_state,
    snapshot,
    training_state,
)


@final
class DivergedError(NotbugsError):
    """The loss stopped being finite. The model has been given back its last good weights."""


def ignore(metrics: EpochMetrics) -> None:
    """The `on_epoch` of a caller who does not look."""


def train(
    model: ImageClassifier,
    data: LabeledImages,
    config: TrainConfig,
    *,
    seed: int,
    validation: LabeledImages | None = None,
    checkpoint: Location | None = None,
    on_epoch: Callable[[EpochMetrics], None] = ignore,
    progress: Progress = silent,
) -> ImageClassifier:
    """Train `model` in place, and return it in evaluation mode with its last (averaged) weights.

    With `checkpoint` the state is written there after every epoch; the same call finds it and goes on exactly
    where it was, `on_epoch` first being told again of the epochs already done. The device is the data's.
    The result depends on (model, data, config, seed) and the machine's arithmetic, on nothing else.

    Raises NotbugsError if the data do not fit the model or the batch, DivergedError if the loss becomes NaN.

    >>> from notbugs import build, load
    >>> model = build("convnet-8-8-8-8", classes=10, seed=0)
    >>> trained = train(model, load("digits").first(128), TrainConfig(epochs=1, lr=0.1), seed=0)
    >>> trained is model, trained.training
    (True, False)
    """
    _check_fit(model, data, config)
    device = data.images.device
    precision = choose_precision(config.precision, device)
    model.to(device)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        weight_decay=config.weight_decay,
        fused=device.type in ("cpu", "cuda"),
    )
    average = {}
    if config.average:
        average = {n: t.clone() for n, t in model.state_dict().items() if t.is_floating_point()}
    parts = (model_digest(model), model.spec, data.digest, validation and validation.digest, config, seed)
    identity = hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()
    history: tuple[EpochMetrics, ...] = ()
    if checkpoint and (found := read_checkpoint(checkpoint, identity=identity)):
        load_training_state(found.tensors, model, optimizer, average)
        history = found.metrics
        for metrics in history:
            on_epoch(metrics)
    good = snapshot(training_state(model, optimizer, average))
    searched = FoldedClassifier(model, precision)
    batches = math.ceil(len(data) / config.batch_size)
    started, done_before = time.monotonic(), len(history) * batches
    for epoch in range(len(history), config.epochs):
        model.train()
        totals = torch.zeros(2, device=device)
        for step, rows in enumerate(_batches(len(data), batches, generator(seed, "order", epoch), device)):
            done = epoch * batches + step
            images, labels = data.images[rows], data.labels[rows]
            draws = generator(seed, "augment", epoch, step, device=device)
            images = config.augment(images, generator=draws)
            if config.contrast:
                images = torch.cat([images, config.augment(data.images[rows], generator=draws)])
            if config.attack:
                searched.refresh()
                draw = partial(generator, seed, "attack", epoch, step, device=device)
                try:
                    images = _attacked(searched, images, labels, config.attack, draw)
                except NotbugsError as error:  # a search on a network that has diverged meets it first
                    if _answers(searched, images):
                        raise
                    raise _diverged(epoch, math.nan, config, good, model, optimizer, average) from error
            with autocast_context(device, precision):
                logits = model(images.contiguous(memory_format=torch.channels_last)).float()
            if config.contrast:
                loss, right = config.contrast.loss(logits)
                right = right[: len(rows)]
            else:
                loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
                right = logits.detach().argmax(1) == labels
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            lr = config.lr * SCHEDULES[config.schedule]((done + 0.5) / (config.epochs * batches))
            optimizer.param_groups[0]["lr"] = lr
            optimizer.step()
            if average:
                follow(average, model, decay=config.average, updates=done)
            totals += torch.stack([loss.detach() * len(rows), right.sum()])
            if done % 10 == 9 or step == batches - 1:
                rate = (done + 1 - done_before) * len(rows) / (time.monotonic() - started)
                progress(done + 1, config.epochs * batches, f"epoch {epoch + 1}, {rate:,.0f} images/s")
        mean_loss, accuracy = (totals / len(data)).tolist()
        state = training_state(model, optimizer, average)
        if not math.isfinite(mean_loss) or not is_finite(state):
            raise _diverged(epoch, mean_loss, config, good, model, optimizer, average)
        good = snapshot(state)
        with averaged(model, average):
            searched.refresh()
            validated = _accuracy(searched, validation) if validation and not config.contrast else None
        metrics = EpochMetrics(
            epoch=epoch + 1, loss=mean_loss, accuracy=accuracy, lr=lr, validation_accuracy=validated
        )
        history = (*history, metrics)
        if checkpoint:
            Checkpoint(good, history, identity).write(checkpoint)
        on_epoch(metrics)
    model.load_state_dict(average, strict=False)
    return model.eval()


def _attacked(
    searched: FoldedClassifier,
    images: torch.Tensor,
    labels: torch.Tensor,
    attack: PGD,
    draw: Callable[[int], torch.Generator],
) -> torch.Tensor:
    """What `attack` makes of a batch, divided over the threads; `draw` gives each part its generator."""
    threads = threads_for(searched, images.device)

    def of_part(part: tuple[int, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        number, some, their_labels = part
        return attack(searched, some, their_labels, generator=draw(number))

    parts = zip(range(threads), images.tensor_split(threads), labels.tensor_split(threads), strict=True)
    return torch.cat(over_parts(of_part, list(parts), threads=threads))


def _diverged(
    epoch: int,
    loss: float,
    config: TrainConfig,
    good: Tensors,
    model: ImageClassifier,
    optimizer: torch.optim.SGD,
    average: Tensors,
) -> DivergedError:
    """The error to raise, once the model has its last good weights again."""
    load_training_state(good, model, optimizer, average)
    model.eval()
    return DivergedError(
        f"training diverged in epoch {epoch + 1} (loss {loss:g}); the weights of epoch {epoch} are kept. "
        f"Lower the learning rate (now {config.lr:g})"
    )


@torch.no_grad()
def _answers(model: FoldedClassifier, images: torch.Tensor) -> bool:
    return bool(model(images).isfinite().all())


def _check_fit(model: ImageClassifier, data: LabeledImages, config: TrainConfig) -> None:
    spec = model.spec
    if config.batch_size > len(data):
        raise NotbugsError(
            f"batch_size {config.batch_size} is larger than the data: choose at most {len(data)}"
        )
    if data.classes != spec.classes and not config.contrast:
        raise NotbugsError(f"the model has {spec.classes} classes, {data.origin.name} has {data.classes}")
    if data.images.shape[1] != spec.channels:
        raise NotbugsError(
            f"the model takes {spec.channels} channels, the images have {data.images.shape[1]}"
        )


def _batches(
    count: int, batches: int, draw: torch.Generator, device: torch.device
) -> tuple[torch.Tensor, ...]:
    """A fresh order in parts of nearly equal size: a last batch of one image would break BatchNorm."""
    return torch.randperm(count, generator=draw).to(device).tensor_split(batches)


@torch.no_grad()
def _accuracy(model: FoldedClassifier, data: LabeledImages) -> float:
    hits = [
        (model(images).argmax(1) == labels).sum()
        for images, labels in zip(data.images.split(500), data.labels.split(500), strict=True)
    ]
    return int(torch.stack(hits).sum()) / len(data)
