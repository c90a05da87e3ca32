"""Training as a run directory: begun, resumed and finished by the same call."""

import json
import logging
from contextlib import ExitStack
from dataclasses import asdict, replace

import torch

from notbugs.alone import alone_in
from notbugs.audits import Proportion, predictions
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.jobs.job import Job, resolved_precision
from notbugs.models import ImageClassifier, ModelSpec, build, model_digest, save_model
from notbugs.models.registry import skeleton
from notbugs.progress import Progress
from notbugs.ranks import ALONE, Ranks
from notbugs.runs import Run, model_of, open_run
from notbugs.seeds import Rows
from notbugs.training import EpochMetrics, TrainConfig, on_any, summed, together, train


def model_spec(arch: str, data: LabeledImages) -> ModelSpec:
    """The spec of a network of this architecture that fits the data.

    Raises NotbugsError if there is none: nothing has been written then.
    """
    channels, height, size = data.images.shape[1:]
    if arch == "linear" and height != size:
        raise NotbugsError(f"linear reads square images, those of {data.origin.name} are {height} x {size}")
    spec = ModelSpec(
        arch=arch,
        classes=data.classes,
        image_size=size,
        channels=channels,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )
    skeleton(spec)
    return spec


def train_job(
    job: Job,
    name: str,
    spec: ModelSpec,
    data: LabeledImages,
    config: TrainConfig,
    *,
    validation: LabeledImages | None = None,
    ranks: Ranks = ALONE,
    workers: int = 0,
) -> Run:
    """A trained model in a run directory; returns at once if it is there. Raises what `train` raises.

    With several `ranks`, in their `process_group`, the first alone writes. The config does not say how many there
    are: a training that two have begun may be ended by one, or by four. `workers`: see `train`.
    """
    precision = resolved_precision(job.precision if config.precision == "auto" else config.precision, data)
    config = replace(config, precision=precision)
    described = {
        "command": "train",
        "model": spec,
        "data": data.known_by,
        "validation": validation.digest if validation else None,
        "train": config,
        "seed": job.seed,
    }
    device = data.images.device
    with ExitStack() as held:
        with together(ranks, device):
            if ranks.is_first:
                open_run(job.root, name, described, world_size=ranks.world_size)
        with together(ranks, device):  # the others find what the first has made
            run = open_run(job.root, name, described)
        _alone(run, job.progress, ranks, device, held)
        with together(ranks, device):
            if ranks.is_first and run.is_done and not _is_whole(run):
                run.reopen()
        if _is_done(run, ranks, device):
            return run
        clock = run.clock()
        history: list[EpochMetrics] = []

        def keep(metrics: EpochMetrics) -> None:
            history.append(metrics)
            if ranks.is_first:
                clock.keep()
                write_atomically(run.metrics, "".join(json.dumps(asdict(m)) + "\n" for m in history))

        model = train(
            build(spec, seed=job.seed),
            data,
            config,
            seed=job.seed,
            validation=validation,
            checkpoint=run.checkpoint,
            on_epoch=keep,
            progress=job.progress,
            ranks=ranks,
            workers=workers,
        )
        last = history[-1]
        metrics: dict[str, float] = {"train_loss": last.loss, "train_accuracy": last.accuracy}
        intervals = {}
        if validation is not None:  # counted again in float32: the curve's last point may be in bfloat16
            mine = Rows.whole(len(validation)).split(ranks.world_size)[ranks.rank]
            own = mine.share(torch.arange(len(validation), device=validation.labels.device))
            right = [
                (predictions(model, validation.images[rows]) == validation.labels[rows]).sum()
                for rows in own.split(500)
            ]
            clean = Proportion(int(summed(torch.stack(right).sum(), ranks)), len(validation))
            metrics |= {"clean_accuracy": clean.value, "n": clean.n}
            intervals = {"clean_accuracy": clean.interval}
        with together(ranks, device):
            if ranks.is_first:
                save_model(model, run.model)
                run.finish(
                    {
                        "command": "train",
                        "config": described,
                        "metrics": metrics,
                        "intervals": intervals,
                        "flags": [],
                        "model": model_digest(model),
                        "seconds": clock.seconds,
                        "device": str(device),
                    }
                )
                run.checkpoint.unlink(missing_ok=True)
    return run


def trained_model(run: Run, device: torch.device) -> ImageClassifier:
    """The model of a finished training run, in evaluation mode. Raises NotbugsError if it is damaged."""
    return model_of(run).to(device)


def _alone(run: Run, progress: Progress, ranks: Ranks, device: torch.device, held: ExitStack) -> None:
    """The first rank claims the directory; the others are told that it waits, and do not take it for dead."""
    if not ranks.is_first:
        while on_any(False, ranks, device):
            pass
        return

    def wait(done: int, total: int, note: str) -> None:
        on_any(True, ranks, device)
        progress(done, total, note)

    held.enter_context(alone_in(run.path, wait))
    on_any(False, ranks, device)


def _is_whole(run: Run) -> bool:
    try:
        model_of(run)
    except NotbugsError as error:
        logging.getLogger("notbugs").warning("%s", error)
        return False
    return True


def _is_done(run: Run, ranks: Ranks, device: torch.device) -> bool:
    """Raises NotbugsError on all ranks where they see different files."""
    done = on_any(run.is_done, ranks, device)
    if on_any(run.is_done != done, ranks, device):
        raise NotbugsError(f"not all ranks see what is in {run.path}: all machines need the same --out")
    return done
