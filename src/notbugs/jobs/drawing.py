"""A drawing task as a run directory: the sheet as a PNG grid, the way as an animation, the images themselves."""

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import safetensors.torch
import torch
from PIL import Image

from notbugs.alone import alone_in
from notbugs.data.eight_bit import eight_bit, picture
from notbugs.data.labeled import LabeledImages
from notbugs.description import describe
from notbugs.drawings import Artist, Sheet, Task, require_fitting
from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.jobs.job import Job
from notbugs.jobs.subject import Subject
from notbugs.models import frozen
from notbugs.progress import Progress
from notbugs.runs import Run, open_run
from notbugs.synthesis import ClassGaussians

GRID, ANIMATION, IMAGES = "grid.png", "path.webp", "images.safetensors"
FRAME_MS, LAST_MS = 120, 1500
GAP, SHOWN_SIDE, MOVING = 4, 96, 24
"""Pixels between pictures, and the least side that a picture is enlarged to, by whole numbers; how many pictures the
animation shows at most: WebP holds 16 383 pixels across.
"""


def draw_job(
    job: Job,
    task: Task,
    subject: Subject,
    data: LabeledImages,
    *,
    gaussians: ClassGaussians | None = None,
    frames: int = 20,
) -> Run:
    """A sheet in a run directory; returns at once if it is there.

    Raises NotbugsError for a model that is no Module or of other classes, and what the task raises.
    """
    model = require_fitting(subject.model, data, subject.named)
    described: dict[str, Any] = {
        "command": "draw",
        "task": task.name,
        "parameters": describe(task),
        **subject.known_by(data),
        "data": data.known_by,
        "n": len(data),
        "frames": frames,
        "seed": job.seed,
        **({"gaussians": gaussians.digest} if gaussians else {}),
        "device": data.images.device.type,
    }
    run = open_run(job.root, f"draw-{task.name}", described)
    with alone_in(run.path, job.progress):
        if run.is_done and all((run.path / name).is_file() for name in (GRID, IMAGES)):
            return run
        clock = run.clock()
        artist = Artist(model=model, data=data, seed=job.seed, gaussians=gaussians, frames=frames)
        try:
            sheet = job.on.done(partial(_drawn, task, artist), job.progress)
        except NotbugsError:
            run.withdraw()
            raise
        write_sheet(run, sheet)
        estimates = sheet.estimates
        run.finish(
            {
                "command": "draw",
                "config": described,
                "rows": [
                    {"title": row.title, "note": row.note, "captions": list(row.captions)}
                    for row in sheet.rows
                ],
                "metrics": {name: found.value for name, found in estimates.items()},
                "intervals": {name: found.interval for name, found in estimates.items()},
                "counts": {name: found.n for name, found in estimates.items()},
                "flags": [],
                "class_names": list(data.class_names),
                "seconds": clock.seconds,
                "device": str(data.images.device),
            }
        )
    return run


def _drawn(task: Task, artist: Artist, progress: Progress) -> Sheet:
    with frozen(artist.model):
        return task.draw(replace(artist, progress=progress))


def write_sheet(run: Run, sheet: Sheet) -> None:
    """The files of a sheet: exact images, the grid to look at, the animation where there is a way to show."""
    tensors = {f"{number:02}": row.images.cpu().contiguous() for number, row in enumerate(sheet.rows)}
    write_atomically(run.path / IMAGES, safetensors.torch.save(tensors))
    write_atomically(run.path / GRID, encoded([grid([row.images for row in sheet.rows])], "PNG"))
    if len(sheet.path) > 1:
        pictures = [grid([images[:MOVING]]) for images in sheet.path]
        write_atomically(run.path / ANIMATION, encoded(pictures, "WEBP"))


def grid(rows: Sequence[torch.Tensor]) -> Image.Image:
    """Rows of pictures on white, each pixel enlarged to a square so that small pictures can be seen."""
    widest = max(len(row) for row in rows)
    side = rows[0].shape[2]
    scale = max(1, -(-SHOWN_SIDE // side))
    height, width = side * scale, rows[0].shape[3] * scale
    sheet = Image.new("RGB", (widest * (width + GAP) + GAP, len(rows) * (height + GAP) + GAP), "white")
    for down, row in enumerate(rows):
        for across, pixels in enumerate(eight_bit(row.cpu())):
            enlarged = picture(pixels).convert("RGB").resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (GAP + across * (width + GAP), GAP + down * (height + GAP)))
    return sheet


def encoded(pictures: Sequence[Image.Image], kind: str) -> bytes:
    stream = io.BytesIO()
    first, *more = pictures
    if more:
        times = [FRAME_MS] * len(more) + [LAST_MS]
        first.save(stream, format=kind, save_all=True, append_images=more, duration=times, loop=0, quality=80)
    else:
        first.save(stream, format=kind)
    return stream.getvalue()


def read_sheet(run: Run) -> list[tuple[dict[str, Any], torch.Tensor]]:
    """The rows of a finished drawing: what was said of each, and its images."""
    images = safetensors.torch.load((run.path / IMAGES).read_bytes())
    return [(row, images[f"{number:02}"]) for number, row in enumerate(run.result["rows"])]


__all__ = ["ANIMATION", "GRID", "draw_job", "encoded", "grid", "read_sheet", "write_sheet"]
