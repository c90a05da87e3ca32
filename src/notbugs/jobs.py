"""Training, building and testing as run directories: begun, resumed and finished by the same call."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import torch

from notbugs.audits import Proportion, default_attacks, measure, predictions
from notbugs.data.labeled import LabeledImages
from notbugs.data.shards import concatenate, is_complete, read_built, read_shard, write_origin
from notbugs.execution import map_shards
from notbugs.features import SHARD_SIZE, Builder, build_shard, built_origin, prepare, shard_count
from notbugs.files import write_atomically
from notbugs.hardware import Precision, choose_precision
from notbugs.models import ImageClassifier, ModelSpec, build, load_model, model_digest, save_model
from notbugs.progress import Progress, silent
from notbugs.runs import Run, open_run
from notbugs.threats import Threat
from notbugs.training import EpochMetrics, TrainConfig, train


@final
@dataclass(frozen=True, kw_only=True)
class Job:
    """Where and how: the root of the run directories, the seed, who watches."""

    root: Path
    seed: int
    precision: str = "auto"
    progress: Progress = silent


def model_spec(arch: str, data: LabeledImages) -> ModelSpec:
    """The spec of a network of this architecture that fits the data."""
    channels, size = data.images.shape[1], data.images.shape[-1]
    return ModelSpec(
        arch=arch,
        classes=data.classes,
        image_size=size,
        channels=channels,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )


def train_job(
    job: Job,
    name: str,
    spec: ModelSpec,
    data: LabeledImages,
    config: TrainConfig,
    *,
    validation: LabeledImages | None = None,
) -> Run:
    """A trained model in a run directory; returns at once if it is there. Raises what `train` raises."""
    precision = resolved_precision(job.precision if config.precision == "auto" else config.precision, data)
    config = replace(config, precision=precision)
    described = {
        "command": "train",
        "model": spec,
        "data": {"name": data.origin.name, "digest": data.digest},
        "validation": validation.digest if validation else None,
        "train": config,
        "seed": job.seed,
    }
    run = open_run(job.root, name, described)
    if run.is_done:
        return run
    clock = run.clock()
    history: list[EpochMetrics] = []

    def keep(metrics: EpochMetrics) -> None:
        history.append(metrics)
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
    )
    save_model(model, run.model)
    last = history[-1]
    metrics: dict[str, float] = {"train_loss": last.loss, "train_accuracy": last.accuracy}
    intervals = {}
    if validation is not None:  # counted again in float32: the curve's last point may be in bfloat16
        right = predictions(model, validation.images) == validation.labels
        clean = Proportion(int(right.sum()), len(validation))
        metrics |= {"clean_accuracy": clean.value, "n": clean.n}
        intervals = {"clean_accuracy": clean.interval}
    run.finish(
        {
            "command": "train",
            "config": described,
            "metrics": metrics,
            "intervals": intervals,
            "flags": [],
            "model": model_digest(model),
            "seconds": clock.seconds,
            "device": str(data.images.device),
        }
    )
    run.checkpoint.unlink(missing_ok=True)
    return run


def build_job(
    job: Job,
    name: str,
    builder: Builder,
    model: ImageClassifier,
    data: LabeledImages,
    *,
    shard_size: int = SHARD_SIZE,
) -> Run:
    """A built data set in a run directory, shard by shard; what an earlier call left is kept."""
    precision = resolved_precision(job.precision, data)
    described: dict[str, Any] = {
        "command": "build",
        "builder": builder,
        "model": model_digest(model),
        "data": {"name": data.origin.name, "digest": data.digest},
        "seed": job.seed,
        "shard_size": shard_size,
        "precision": precision,
    }
    run = open_run(job.root, name, described)
    if run.is_done and is_complete(run.path):
        return run
    clock = run.clock()
    source = prepare(model, data, precision=precision)

    def report(done: int, total: int, note: str) -> None:
        clock.keep()
        job.progress(done, total, note)

    shards = map_shards(
        lambda index: build_shard(builder, source, index, seed=job.seed, shard_size=shard_size),
        shard_count(data, shard_size),
        run.path,
        progress=report,
    )
    origin = built_origin(builder, model, data, seed=job.seed)
    # Measured on what is on disk, whichever call wrote it.
    parts = [read_shard(path, class_names=data.class_names, origin=data.origin) for path in shards]
    measured = builder.measured(concatenate(parts, origin=data.origin))
    write_origin(run.path, origin=origin, class_names=data.class_names, shards=shards, measured=measured)
    run.finish(
        {
            "command": "build",
            "config": described,
            "metrics": {**measured, "n": len(data)},
            "intervals": {},
            "flags": build_flags(name, measured),
            "seconds": clock.seconds,
            "device": str(data.images.device),
        }
    )
    return run


def test_job(
    job: Job,
    name: str,
    model: ImageClassifier,
    test: LabeledImages,
    *,
    budgets: Sequence[Threat],
    attack_steps: int,
    tested: int,
) -> Run:
    """What `measure` finds, in a run directory; returns at once if it is there."""
    described = {
        "command": "test",
        "model": model_digest(model),
        "test": test.digest,
        "attacks": [attack for threat in budgets for attack in default_attacks(threat, steps=attack_steps)],
        "tested": tested,
        "seed": job.seed,
        "precision": resolved_precision(job.precision, test),
    }
    run = open_run(job.root, name, described)
    if run.is_done:
        return run
    clock = run.clock()
    measured = measure(
        model,
        test,
        budgets=budgets,
        attack_steps=attack_steps,
        tested=tested,
        seed=job.seed,
        precision=job.precision,
        progress=job.progress,
    )
    run.finish(
        {
            "command": "test",
            "config": described,
            "metrics": {key: value.value for key, value in measured.items()},
            "intervals": {key: value.interval for key, value in measured.items()},
            "counts": {key: [value.count, value.n] for key, value in measured.items()},
            "flags": [],
            "seconds": clock.seconds,
            "device": str(test.images.device),
        }
    )
    return run


def build_flags(name: str, measured: Mapping[str, float]) -> list[dict[str, str]]:
    """Reasons to distrust a built data set, from what its manifest measured."""
    found = []
    fooling = measured.get("fooling_rate", 1.0)
    if fooling < 0.9:
        found.append({"of": name, "reason": f"only {fooling:.0%} of its images fool the source model"})
    residual, start = measured.get("feature_residual", 0.0), measured.get("feature_residual_at_start", 1.0)
    if residual > 0.5 * start:
        reason = f"features matched to {residual:.2f} only, from {start:.2f}: more steps"
        found.append({"of": name, "reason": reason})
    return found


def trained_model(run: Run, device: torch.device) -> ImageClassifier:
    """The model of a finished training run, in evaluation mode."""
    return load_model(run.model).to(device)


def built_data(run: Run, device: torch.device) -> LabeledImages:
    """The data set of a finished build run."""
    return read_built(run.path).to(device)


def resolved_precision(precision: str, data: LabeledImages) -> Precision:
    """The precision by name; a config that says `auto` would not say what was done."""
    return "float32" if choose_precision(precision, data.images.device) == torch.float32 else "bfloat16"


__all__ = [
    "Job",
    "build_flags",
    "build_job",
    "built_data",
    "model_spec",
    "resolved_precision",
    "test_job",
    "train_job",
    "trained_model",
]
