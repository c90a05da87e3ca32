"""The one training loop. Adversarial training is a field of its config, not another function."""

import hashlib
import math
import time
from collections.abc import Callable
from functools import lru_cache, partial
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
from notbugs.ranks import ALONE, Ranks
from notbugs.seeds import Rows, generator
from notbugs.threads import over_parts
from notbugs.training.checkpoint import Checkpoint, EpochMetrics, read_checkpoint
from notbugs.training.config import TrainConfig
from notbugs.training.distributed import data_parallel, gathered, on_any, share_of, summed, together
from notbugs.training.reading import order_of, read_ahead, sent_to
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

STEPS = 500
"""Within an epoch the state is written after so many: an epoch of a large data set takes hours."""


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
    ranks: Ranks = ALONE,
    workers: int = 0,
) -> ImageClassifier:
    """Train `model` in place, and return it in evaluation mode with its last (averaged) weights.

    With `checkpoint` the state is written there after every epoch, and within one every 500 steps; the same call
    finds it and goes on exactly where it was, `on_epoch` first being told again of the epochs already done. The
    device is the data's. Of stored images, `workers` processes read the next ones (a script that asks for them needs
    `if __name__ == "__main__":`).
    The result depends on (model, data, config, seed) and the machine's arithmetic, on nothing else.

    With several `ranks`, in their `process_group`, each takes its own rows of every batch, the first alone writes,
    and the result is that of one process up to rounding.

    Raises NotbugsError if the data do not fit the model or the batch, DivergedError if the loss becomes NaN.

    >>> from notbugs import build, load
    >>> model = build("convnet-8-8-8-8", classes=10, seed=0)
    >>> trained = train(model, load("digits").first(128), TrainConfig(epochs=1, lr=0.1), seed=0)
    >>> trained is model, trained.training
    (True, False)
    """
    _check_fit(model, data, config, ranks)
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
    steps_done, totals = 0, torch.zeros(2, device=device)
    batches = math.ceil(len(data) / config.batch_size)
    with together(ranks, device):
        if checkpoint and (found := read_checkpoint(checkpoint, identity=identity)):
            load_training_state(found.tensors, model, optimizer, average)
            history, steps_done = found.metrics, found.steps
            if len(history) * batches + steps_done > config.epochs * batches or steps_done >= batches:
                raise NotbugsError(
                    f"{checkpoint} says more steps than this training has; delete it to start again"
                )
            totals += share_of(found.totals.to(device), ranks)
            for metrics in history:
                on_epoch(metrics)
    done = len(history) * batches + steps_done
    _check_same_step(done, checkpoint, ranks, device)
    good = snapshot(training_state(model, optimizer, average))
    searched = FoldedClassifier(model, precision)
    started, done_before = time.monotonic(), done

    @lru_cache(maxsize=2)  # of the next epoch some are read while this one goes on
    def batches_of(epoch: int) -> tuple[torch.Tensor, ...]:
        return _batches(len(data), batches, generator(seed, "order", epoch), config.buffer)

    coming = (
        _of_rank(batches_of(at // batches)[at % batches], ranks)[0]
        for at in range(done, config.epochs * batches)
    )
    read = read_ahead(data.images, coming, workers=workers)
    for epoch in range(len(history), config.epochs):
        for step in range(steps_done, batches):
            if step == steps_done or step % STEPS == 0:
                parallel = data_parallel(model, ranks).train()
            done = epoch * batches + step
            rows, mine = _of_rank(batches_of(epoch)[step], ranks)
            plain, labels = next(read), data.labels[sent_to(device, rows)]
            draws = generator(seed, "augment", epoch, step, device=device)
            images = config.augment(plain, generator=draws, rows=mine)
            if config.contrast:
                images = torch.cat([images, config.augment(plain, generator=draws)])
            if config.attack:
                searched.refresh()
                draw = partial(generator, seed, "attack", epoch, step, 0, device=device)
                met = None
                try:
                    images = _attacked(searched, images, labels, config.attack, draw, mine)
                except NotbugsError as error:  # a search on a network that has diverged meets it first
                    if _answers(searched, images):
                        raise
                    met = error
                if on_any(met is not None, ranks, device):
                    raise _diverged(epoch, math.nan, config, good, model, optimizer, average) from met
            with autocast_context(device, precision):
                logits = parallel(images.contiguous(memory_format=torch.channels_last)).float()
            if config.contrast:
                loss, right = config.contrast.loss(logits)
                right = right[: len(rows)]
            else:
                loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
                right = logits.detach().argmax(1) == labels
            optimizer.zero_grad(set_to_none=True)
            # Ranks are averaged: each counts as many times as it has images.
            (loss * (ranks.world_size * mine.count / mine.of)).backward()
            lr = config.lr * SCHEDULES[config.schedule]((done + 0.5) / (config.epochs * batches))
            optimizer.param_groups[0]["lr"] = lr
            optimizer.step()
            if average:
                follow(average, model, decay=config.average, updates=done)
            totals += torch.stack([loss.detach() * mine.count, right.sum()])
            if done % 10 == 9 or step == batches - 1:
                rate = (done + 1 - done_before) * mine.of / (time.monotonic() - started)
                progress(done + 1, config.epochs * batches, f"epoch {epoch + 1}, {rate:,.0f} images/s")
            if checkpoint and step % STEPS == STEPS - 1 and step < batches - 1:
                state, of_all = training_state(model, optimizer, average), gathered(totals, ranks)
                if not is_finite(state):
                    raise _diverged(epoch, math.nan, config, good, model, optimizer, average)
                with together(ranks, device):
                    if ranks.is_first:
                        Checkpoint(state, history, identity, step + 1, of_all).write(checkpoint)
        mean_loss, accuracy = (summed(totals, ranks) / len(data)).tolist()
        state = training_state(model, optimizer, average)
        if not math.isfinite(mean_loss) or not is_finite(state):
            raise _diverged(epoch, mean_loss, config, good, model, optimizer, average)
        good = snapshot(state)
        with averaged(model, average):
            searched.refresh()
            validated = _accuracy(searched, validation, ranks) if validation and not config.contrast else None
        metrics = EpochMetrics(
            epoch=epoch + 1, loss=mean_loss, accuracy=accuracy, lr=lr, validation_accuracy=validated
        )
        history = (*history, metrics)
        with together(ranks, device):
            if checkpoint and ranks.is_first:
                Checkpoint(good, history, identity).write(checkpoint)
            on_epoch(metrics)
        steps_done, totals = 0, torch.zeros(2, device=device)
    model.load_state_dict(average, strict=False)
    return model.eval()


def _attacked(
    searched: FoldedClassifier,
    images: torch.Tensor,
    labels: torch.Tensor,
    attack: PGD,
    draw: Callable[[], torch.Generator],
    rows: Rows,
) -> torch.Tensor:
    """What `attack` makes of these rows of a batch, divided over the threads; each draws for the whole batch."""
    threads = threads_for(searched, images.device)

    def of_part(part: tuple[torch.Tensor, torch.Tensor, Rows]) -> torch.Tensor:
        some, their_labels, their_rows = part
        return attack(searched, some, their_labels, generator=draw(), rows=their_rows)

    parts = zip(images.tensor_split(threads), labels.tensor_split(threads), rows.split(threads), strict=True)
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


def _check_fit(model: ImageClassifier, data: LabeledImages, config: TrainConfig, ranks: Ranks) -> None:
    spec = model.spec
    if config.contrast and ranks.several:
        raise NotbugsError(
            "contrast compares all views of a batch: train it in one process, without torchrun"
        )
    if config.batch_size > len(data):
        raise NotbugsError(
            f"batch_size {config.batch_size} is larger than the data: choose at most {len(data)}"
        )
    if len(data) // math.ceil(len(data) / config.batch_size) < ranks.world_size:
        raise NotbugsError(
            f"batch_size {config.batch_size} leaves some of {ranks.world_size} ranks without an image: "
            "choose a larger one, or fewer ranks"
        )
    if data.classes != spec.classes and not config.contrast:
        raise NotbugsError(f"the model has {spec.classes} classes, {data.origin.name} has {data.classes}")
    if data.images.shape[1] != spec.channels:
        raise NotbugsError(
            f"the model takes {spec.channels} channels, the images have {data.images.shape[1]}"
        )


def _batches(count: int, batches: int, draw: torch.Generator, buffer: int) -> tuple[torch.Tensor, ...]:
    """A fresh order in parts of nearly equal size: a last batch of one image would break BatchNorm."""
    return order_of(count, draw, buffer=buffer).tensor_split(batches)


def _of_rank(rows: torch.Tensor, ranks: Ranks) -> tuple[torch.Tensor, Rows]:
    """Of the rows of a batch those of this rank, and which of the batch these are."""
    mine = Rows.whole(len(rows)).split(ranks.world_size)[ranks.rank]
    return mine.share(rows), mine


def _check_same_step(done: int, checkpoint: Location | None, ranks: Ranks, device: torch.device) -> None:
    of_all = int(summed(torch.tensor([done], device=device), ranks))
    if on_any(of_all != done * ranks.world_size, ranks, device):
        raise NotbugsError(f"ranks find different checkpoints at {checkpoint}: all need the same --out")


@torch.no_grad()
def _accuracy(model: FoldedClassifier, data: LabeledImages, ranks: Ranks) -> float:
    mine = Rows.whole(len(data)).split(ranks.world_size)[ranks.rank]
    hits = [
        (model(data.images[rows]).argmax(1) == data.labels[rows]).sum()
        for rows in mine.share(torch.arange(len(data), device=data.labels.device)).split(500)
    ]
    return int(summed(torch.stack(hits).sum(), ranks)) / len(data)
