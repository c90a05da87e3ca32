"""Building a data set as a run directory, shard by shard."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from notbugs.alone import alone_in
from notbugs.data.labeled import LabeledImages
from notbugs.data.shards import is_complete, read_built, read_columns, shard_of, write_origin
from notbugs.execution import map_shards
from notbugs.features import SHARD_SIZE, Builder, build_shard, built_origin, prepare, shard_count
from notbugs.features.builder import Source
from notbugs.jobs.job import Job, resolved_precision
from notbugs.models import model_digest
from notbugs.progress import Progress
from notbugs.runs import Run, open_run


def build_job(
    job: Job,
    name: str,
    builder: Builder,
    model: nn.Module,
    data: LabeledImages,
    *,
    others: Sequence[nn.Module] = (),
    shard_size: int = SHARD_SIZE,
) -> Run:
    """A built data set in a run directory, shard by shard; what an earlier call left is kept. `others` are the models
    that the builder wants beside `model`.
    """
    precision = resolved_precision(job.precision, data)
    described: dict[str, Any] = {
        "command": "build",
        "builder": builder,
        "model": model_digest(model),
        **({"others": [model_digest(one) for one in others]} if others else {}),
        "data": data.known_by,
        "seed": job.seed,
        "shard_size": shard_size,
        "precision": precision,
    }
    run = open_run(job.root, name, described)
    with alone_in(run.path, job.progress):
        if run.is_done and is_complete(run.path):
            return run
        clock = run.clock()
        source = prepare(model, data, others=others, precision=precision)

        def report(done: int, total: int, note: str) -> None:
            clock.keep()
            job.progress(done, total, note)

        make = partial(_shard, builder, source, job.seed, shard_size)
        shards = map_shards(make, shard_count(data, shard_size), run.path, progress=report, on=job.on)
        origin = built_origin(builder, model, data, seed=job.seed, others=others)
        # Measured on what is on disk, whichever call wrote it.
        measured = builder.measured(read_columns(shards))
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


def _shard(
    builder: Builder, source: Source, seed: int, shard_size: int, index: int, progress: Progress
) -> dict[str, Tensor]:
    return shard_of(build_shard(builder, source, index, seed=seed, shard_size=shard_size))


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


def built_data(run: Run, device: torch.device) -> LabeledImages:
    """The data set of a finished build run."""
    return read_built(run.path, for_device=device).to(device)
