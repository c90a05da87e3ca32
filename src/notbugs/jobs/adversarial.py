"""An audit under attack as a run directory: a shard is a part of the images that every attack has been tried on."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from notbugs.alone import alone_in
from notbugs.attacks import Attack
from notbugs.audits import AdversarialAudit, audit
from notbugs.audits.adversarial import reasons
from notbugs.audits.flag import Flag
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.shards import ShardReader, is_whole, read_columns, shard_of, shard_path
from notbugs.data.stored import read_or_stored
from notbugs.errors import NotbugsError
from notbugs.execution import map_shards
from notbugs.jobs.job import Job, resolved_precision
from notbugs.jobs.subject import Subject
from notbugs.locations import Location
from notbugs.models.logits import require_logits
from notbugs.progress import Progress
from notbugs.runs import Run, open_run
from notbugs.seeds import derived_seed
from notbugs.threats import Threat, parse_threat

SHARD_SIZE = 250


def adversarial_job(
    job: Job,
    name: str,
    subject: Subject,
    data: LabeledImages,
    *,
    threat: Threat,
    attacks: Sequence[Attack],
    nearest: Attack | None = None,
    shard_size: int = SHARD_SIZE,
) -> Run:
    """What `audit` finds, in a run directory, shard by shard; what an earlier call left is kept.

    Each shard has a seed of its own, so that the starts of searches are not those of `audit` on all images at once.
    Raises NotbugsError for a threat without a text that says it, as a Spatial one.
    """
    model = subject.model
    require_logits(model, data.images, classes=data.classes)
    precision = resolved_precision(job.precision, data)
    described: dict[str, Any] = {
        "command": "adversarial",
        **subject.known_by(data),
        "data": data.known_by,
        "n": len(data),
        "threat": threat,
        "attacks": list(attacks),
        "nearest": nearest,
        "seed": job.seed,
        "shard_size": shard_size,
        "precision": precision,
        "device": data.images.device.type,
    }
    parse_threat(str(threat))  # what cannot be read again is not begun
    run = open_run(job.root, name, described)
    with alone_in(run.path, job.progress):
        if run.is_done and not _missing(run):
            return run
        clock, count = run.clock(), -(-len(data) // shard_size)

        seed = job.seed

        def make(index: int, progress: Progress) -> Mapping[str, Tensor]:
            rows = torch.arange(index * shard_size, min((index + 1) * shard_size, len(data)))
            found = audit(
                model,
                data.take(rows.to(data.labels.device)),
                threat=threat,
                attacks=attacks,
                nearest=nearest,
                sanity=False,
                seed=derived_seed(seed, "audit", index),
                precision=precision,
                progress=progress,
            ).found
            return {**shard_of(found), "index": rows.to(data.labels.device)}

        def inside(index: int) -> Progress:
            def report(done: int, total: int, note: str) -> None:
                part = min(shard_size, len(data) - index * shard_size) * done // max(1, total)
                job.progress(index * shard_size + part, len(data), f"images; {note}")

            return report

        def keep(done: int, total: int, note: str) -> None:
            clock.keep()
            job.progress(min(done * shard_size, len(data)), len(data), "images")

        map_shards(make, count, run.path, progress=keep, inside=inside, on=job.on)
        every = (*attacks, *([nearest] if nearest else []))
        audited = AdversarialAudit(
            threat=threat,
            attacks=tuple(map(str, every)),
            seed=job.seed,
            found=_found(run, class_names=data.class_names, name=data.origin.name),
        )
        flags = reasons(model, data, audited, attacks=every)
        result = dataclasses.replace(audited, flags=flags).to_json()
        run.finish(
            {
                **result,
                "command": "adversarial",
                "config": described,
                "class_names": list(data.class_names),
                "attacks": list(audited.attacks),
                "seconds": clock.seconds,
                "device": str(data.images.device),
            }
        )
    return run


def read_adversarial(run: Run) -> AdversarialAudit:
    """The audit that a finished run directory holds, with every image found. Raises NotbugsError if it holds none."""
    result = run.result
    if result["command"] != "adversarial":
        raise NotbugsError(f"{run.path} holds no audit under attack; it was made by {result['command']}")
    config, known = result["config"], {field.name for field in dataclasses.fields(Flag)}
    return AdversarialAudit(
        threat=parse_threat(config["threat"]),
        attacks=tuple(result["attacks"]),
        seed=config["seed"],
        found=_found(run, class_names=tuple(result["class_names"]), name=config["data"]["name"]),
        flags=tuple(Flag(**{name: flag[name] for name in known}) for flag in result["flags"]),
    )


def _found(run: Run, *, class_names: tuple[str, ...], name: str) -> LabeledImages:
    if missing := _missing(run):
        raise NotbugsError(f"{missing[0]} is missing or damaged; the audit's command makes it again")
    paths = _shards(run)
    columns = read_columns(paths)
    return LabeledImages(
        images=read_or_stored(ShardReader(tuple(paths))),
        labels=columns.pop("labels"),
        class_names=class_names,
        origin=Origin(name=f"{name} under attack"),
        columns=columns,
    )


def _shards(run: Run) -> list[Location]:
    config = run.config
    return [shard_path(run.path, index) for index in range(-(-config["n"] // config["shard_size"]))]


def _missing(run: Run) -> list[Location]:
    return [path for path in _shards(run) if not is_whole(path)]
