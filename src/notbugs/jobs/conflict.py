"""Robust features of one image in another: which does the answer follow? A section of an audit as a run directory."""

from collections.abc import Sequence

from torch import nn

from notbugs.audits import Proportion, predictions
from notbugs.audits.flag import Flag
from notbugs.audits.spectral import usual_norm
from notbugs.data.labeled import LabeledImages
from notbugs.features import MatchEmbeddings
from notbugs.jobs.building import build_job, built_data
from notbugs.jobs.job import Job
from notbugs.jobs.section import Measured, Tensors, section_job
from notbugs.jobs.subject import Subject
from notbugs.progress import Progress
from notbugs.runs import Run

IMAGES = 500
STEPS = 100


def conflicting_images(job: Job, reference: nn.Module, data: LabeledImages) -> LabeledImages:
    """At most IMAGES images as D_R has them: each is another image, moved until `reference`, a robust model, has the
    features of the image itself. What that model does not look at is still the other's.

    Columns: `original_label`, whose robust features an image holds, and `rest_label`, whose everything else. Raises
    NotbugsError if the reference and the data do not fit.
    """
    part = data.part(IMAGES)
    step_size = 0.25 * usual_norm(*part.images.shape[2:]) / usual_norm(32, 32)
    builder = MatchEmbeddings(steps=STEPS, step_size=step_size)
    built = built_data(build_job(job, "robust-features", builder, reference, part), data.images.device)
    rest = part.labels[built.columns["start_index"]]
    conflicting = rest != built.columns["original_label"]
    whole = LabeledImages(
        images=built.images,
        labels=built.labels,
        class_names=built.class_names,
        origin=built.origin,
        columns={**built.columns, "rest_label": rest},
    )
    return whole.take(conflicting)


def conflict_job(job: Job, name: str, subject: Subject, images: LabeledImages) -> Run:
    """How often the answer to `conflicting_images` is the class of the robust features, and that of all else."""

    def make(index: int, progress: Progress) -> Tensors:
        return {"answers": predictions(subject.model, images.images)}

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        answers = parts[0]["answers"]
        followed = {
            what: answers == images.columns[column].cpu()
            for what, column in (("robust", "original_label"), ("rest", "rest_label"))
        }
        return {what: Proportion(int(mask.sum()), len(answers)) for what, mask in followed.items()}, ()

    return section_job(job, name, subject, images, {}, 1, make, summary)


__all__ = ["conflict_job", "conflicting_images"]
