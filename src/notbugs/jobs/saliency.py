"""Where a model looks: a section of an audit as a run directory."""

from collections.abc import Sequence

from torch import Tensor

from notbugs.audits import Mean, Proportion
from notbugs.audits.flag import Flag
from notbugs.audits.saliency import (
    energy_inside,
    planted_masks,
    pointing_game,
    saliency_maps,
)
from notbugs.data.labeled import LabeledImages
from notbugs.jobs.job import Job
from notbugs.jobs.section import Measured, Tensors, parts_of, section_job
from notbugs.jobs.subject import Subject
from notbugs.progress import Progress
from notbugs.runs import Run
from notbugs.seeds import generator
from notbugs.threats import MaskFile


def saliency_job(
    job: Job, name: str, subject: Subject, data: LabeledImages, *, mask: MaskFile | None = None
) -> Run:
    """Three saliency maps of each image in a run directory, and how much of them lies where planted features do, and
    where `mask` is bright.
    """
    masks = planted_masks(data)
    if mask is not None:
        masks["mask"] = mask.mask.expand(len(data), -1, -1)

    def make(index: int, progress: Progress) -> Tensors:
        draw = generator(job.seed, "saliency", device="cpu")
        return saliency_maps(subject.model, data.images, data.labels, generator=draw, progress=progress)

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        measured: dict[str, Proportion | Mean] = {}
        for feature, inside in masks.items():
            for method, maps in parts[0].items():
                of = f"{feature}.{method}"
                measured[f"{of}.energy"] = Mean.over(energy_inside(maps, inside.cpu()).double())
                measured[f"{of}.pointing"] = pointing_game(maps, inside.cpu())
            measured[f"{feature}.area"] = Mean.over(inside.cpu().double().mean((1, 2)))
        return measured, ()

    told = {"mask": mask.digest} if mask else {}
    return section_job(job, name, subject, data, told, 1, make, summary)


def read_saliency(run: Run) -> dict[str, Tensor]:
    """The maps of a finished `saliency_job` by method, each (images, height, width)."""
    return parts_of(run)[0]


__all__ = ["read_saliency", "saliency_job"]
