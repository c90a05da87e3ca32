"""One section of an audit as a run directory, made part by part and summed up at the end."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from notbugs.alone import alone_in
from notbugs.audits import Flag, Mean, Proportion, Views, views_of
from notbugs.audits.estimate import Estimate
from notbugs.data.labeled import LabeledImages
from notbugs.data.shards import is_whole, read_tensors, shard_path
from notbugs.errors import NotbugsError
from notbugs.execution import map_shards
from notbugs.jobs.job import Job, resolved_precision
from notbugs.jobs.subject import Subject
from notbugs.locations import matching
from notbugs.once import Once
from notbugs.progress import Progress
from notbugs.runs import Run, open_run

Tensors = Mapping[str, Tensor]
Measured = Mapping[str, Proportion | Mean | Estimate]


def section_job(
    job: Job,
    name: str,
    subject: Subject,
    data: LabeledImages,
    told: Mapping[str, Any],
    count: int,
    make: Callable[[int, Progress], Tensors],
    summary: Callable[[Sequence[Tensors]], tuple[Measured, Sequence[Flag]]],
) -> Run:
    """Begun, resumed and finished by the same call; `told` is what the section depends on beside model and data."""
    described: dict[str, Any] = {
        "command": name,
        **subject.known_by(data),
        "data": data.known_by,
        "n": len(data),
        **told,
        "seed": job.seed,
        "precision": resolved_precision(job.precision, data),
        "device": data.images.device.type,
    }
    run = open_run(job.root, name, described)
    paths = [shard_path(run.path, index) for index in range(count)]
    with alone_in(run.path, job.progress):
        if run.is_done and all(map(is_whole, paths)):
            return run
        clock = run.clock()

        def inside(index: int) -> Progress:
            def report(done: int, total: int, note: str) -> None:
                job.progress(100 * index + 100 * done // max(1, total), 100 * count, note)

            return report

        def keep(done: int, total: int, note: str) -> None:
            clock.keep()
            job.progress(100 * done, 100 * total, "")

        map_shards(make, count, run.path, progress=keep, inside=inside, on=job.on)
        measured, flags = summary(parts_of(run))
        run.finish(
            {
                "command": name,
                "config": described,
                "metrics": {key: value.value for key, value in measured.items()},
                "intervals": {key: value.interval for key, value in measured.items()},
                "flags": [
                    {
                        "of": flag.name.replace("_", " "),
                        "reason": f"{flag.found} {flag.advice}",
                        "name": flag.name,
                    }
                    for flag in flags
                ],
                "seconds": clock.seconds,
                "device": str(data.images.device),
            }
        )
    return run


def views_once(job: Job, subject: Subject, data: LabeledImages) -> Once[Views]:
    """The forms of a model that are asked: made when something is left to ask, and once."""
    model, precision = subject.model, job.precision
    return Once(lambda: views_of(model, data.images.device, precision=precision))


def parts_of(run: Run) -> list[dict[str, Tensor]]:
    paths = matching(run.path, "shard-*.safetensors")
    if not paths:
        raise NotbugsError(f"{run.path} holds nothing that was found; the audit's command makes it again")
    return [read_tensors(path) for path in paths]


def of_earlier_version(run: Run) -> NotbugsError:
    """The error to raise where parts are not what is written today."""
    return NotbugsError(
        f"{run.path} is of an earlier version; delete the audit's directory and run its command again"
    )


__all__ = ["Measured", "Tensors", "of_earlier_version", "parts_of", "section_job", "views_once"]
