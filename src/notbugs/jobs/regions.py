"""Where answers go with a region's content: a section of an audit as a run directory, row by row of windows."""

from collections.abc import Sequence

import torch

from notbugs.audits import Mean, Proportion, RegionMap
from notbugs.audits.flag import Flag
from notbugs.audits.regions import Windows, followed_in_row, windows_of
from notbugs.audits.swapping import Moved, moved_part, swaps_of
from notbugs.data.labeled import LabeledImages
from notbugs.jobs.job import Job
from notbugs.jobs.section import Measured, Tensors, of_earlier_version, parts_of, section_job, views_once
from notbugs.jobs.subject import Subject
from notbugs.models import frozen
from notbugs.once import Once
from notbugs.progress import Progress
from notbugs.runs import Run
from notbugs.threats import MaskFile


def region_job(
    job: Job, name: str, subject: Subject, data: LabeledImages, *, mask: MaskFile | None = None
) -> Run:
    """`region_map` in a run directory, and `moved_region` of a mask."""
    windows = windows_of(*data.images.shape[2:])
    rows = len(windows.top)
    views = views_once(job, subject, data)
    swaps = Once(lambda: swaps_of(subject.model, data, seed=job.seed))

    def make(index: int, progress: Progress) -> Tensors:
        with frozen(subject.model):
            if index < rows:
                followed = followed_in_row(views(), data, swaps(), windows, index)
                return {"followed": followed, "moved": swaps().moved}
            assert mask is not None
            return _written(moved_part(views(), data, swaps(), mask.mask))

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        found, moved = _found(parts, windows)
        measured: dict[str, Proportion | Mean] = {"strongest": found.strongest_share} if found.n else {}
        flags = [found.flag()]
        if moved:
            measured |= {"mask.follows": moved.follows, "mask.stays": moved.stays}
            flags.append(moved.flag())
        return measured, [flag for flag in flags if flag]

    told = {
        "image_size": list(data.images.shape[2:]),
        "rows": rows,
        **({"mask": mask.digest} if mask else {}),
    }
    return section_job(job, name, subject, data, told, rows + (1 if mask else 0), make, summary)


def read_regions(run: Run) -> tuple[RegionMap, Moved | None]:
    """What a finished `region_job` found, and what of the mask, if there was one."""
    if "image_size" not in run.config:
        raise of_earlier_version(run)
    height, width = run.config["image_size"]
    return _found(parts_of(run), windows_of(height, width))


def _found(parts: Sequence[Tensors], windows: Windows) -> tuple[RegionMap, Moved | None]:
    rows = len(windows.top)
    found = RegionMap(
        windows=windows,
        followed=torch.stack([part["followed"] for part in parts[:rows]]),
        moved=parts[0]["moved"],
    )
    return found, _moved(parts[rows]) if len(parts) > rows else None


def _written(moved: Moved | None) -> Tensors:
    if moved is None:
        return {"counts": torch.zeros(3, dtype=torch.int64), "area": torch.tensor(0.0)}
    counts = [moved.follows.count, moved.stays.count, moved.follows.n]
    return {"counts": torch.tensor(counts), "area": torch.tensor(moved.area)}


def _moved(part: Tensors) -> Moved | None:
    follows, stays, n = part["counts"].tolist()
    if n == 0:
        return None
    return Moved(area=float(part["area"]), follows=Proportion(follows, n), stays=Proportion(stays, n))


__all__ = ["read_regions", "region_job"]
