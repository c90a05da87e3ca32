"""Writing a corrupted copy of a data set as a run directory, a corruption at a time."""

import io
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from notbugs.alone import alone_in
from notbugs.data.corrupted import Layout, require_layout, write_corrupted
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.jobs.job import Job
from notbugs.runs import Run, open_run
from notbugs.shifts import CORRUPTIONS, Corruption

LABELS = "labels.npy"


def corrupt_job(
    job: Job,
    name: str,
    data: LabeledImages,
    *,
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    severities: Sequence[float] = (1, 2, 3, 4, 5),
    layout: Layout = "npy",
) -> Run:
    """`write_corrupted` for every corruption, into a run directory; what an earlier call wrote is kept, so that what
    kills it costs one corruption at most.

    With arrays comes `labels.npy`, as often repeated as there are severities. Raises as `write_corrupted` does, and
    for names or severities that are given twice.
    """
    for what, given in (("corruption", corruptions), ("severity", severities)):
        if len(set(given)) < len(given) or not given:
            raise NotbugsError(f"give each {what} once, and at least one; got {', '.join(map(str, given))}")
    root = job.root
    if not isinstance(root, Path):
        raise NotbugsError(f"{root}: corrupted copies are written to a path of this machine; name one")
    for corruption, severity in product(corruptions, severities):
        Corruption(corruption, float(severity))
    require_layout(data, corruptions, layout)  # what cannot be is said before anything is written
    described: dict[str, Any] = {
        "command": "corrupt",
        "data": data.known_by,
        "n": len(data),
        "corruptions": list(corruptions),
        "severities": [float(severity) for severity in severities],
        "layout": layout,
        "seed": job.seed,
        "device": data.images.device.type,
    }
    run = open_run(job.root, name, described)
    wanted = [f"{one}.npy" for one in corruptions] + [LABELS] if layout == "npy" else list(corruptions)
    with alone_in(run.path, job.progress):
        if run.is_done and all((run.path / one).exists() for one in wanted):
            return run
        clock, was_done = run.clock(), run.is_done
        for number, corruption in enumerate(corruptions):

            def inside(done: int, total: int, note: str, number: int = number) -> None:
                job.progress(number * total + done, len(corruptions) * total, note)

            write_corrupted(
                data,
                root / run.path.name,
                corruption,
                severities=severities,
                layout=layout,
                seed=job.seed,
                progress=inside,
                made=job.on.made,
            )
            if not was_done:
                clock.keep()
        if layout == "npy" and not (run.path / LABELS).exists():
            stream = io.BytesIO()
            np.save(stream, np.tile(data.labels.cpu().numpy(), len(severities)), allow_pickle=False)
            write_atomically(run.path / LABELS, stream.getvalue())
        if was_done:  # only files that somebody removed were missing: what was said of them holds
            return run
        run.finish(
            {
                "command": "corrupt",
                "config": described,
                "metrics": {
                    "n": len(data),
                    "corruptions": len(corruptions),
                    "severities": len(severities),
                    "images": len(data) * len(corruptions) * len(severities),
                },
                "intervals": {},
                "flags": [],
                "class_names": list(data.class_names),
                "seconds": clock.seconds,
                "device": str(data.images.device),
            }
        )
    return run


__all__ = ["corrupt_job"]
