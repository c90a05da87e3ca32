"""Robust features of one image in another: which does the answer follow? A section of an audit as a run directory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from torch import nn

from notbugs.audits import Proportion, predictions
from notbugs.audits.flag import Flag
from notbugs.audits.spectral import usual_norm
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.features import MatchEmbeddings
from notbugs.jobs.building import build_job, built_data
from notbugs.jobs.job import Job
from notbugs.jobs.section import Measured, Tensors, section_job
from notbugs.jobs.subject import Subject
from notbugs.models.logits import require_logits
from notbugs.progress import Progress
from notbugs.runs import Run

IMAGES = 500
STEPS = 100


@final
@dataclass(frozen=True, kw_only=True)
class Conflicting:
    """Images with the robust features of one class and the rest of another, and the run that built them.

    Columns: `original_label`, whose robust features an image holds, and `rest_label`, whose everything else.
    """

    images: LabeledImages
    built: Run


def conflicting_images(job: Job, reference: nn.Module, data: LabeledImages) -> Conflicting:
    """At most IMAGES images as D_R has them: each is another image, moved until `reference`, a robust model, has the
    features of the image itself. What that model does not look at is still the other's.

    Raises NotbugsError as `require_reference` does.
    """
    require_reference(reference, data)
    part = data.part(IMAGES)
    step_size = 0.25 * usual_norm(*part.images.shape[2:]) / usual_norm(32, 32)
    builder = MatchEmbeddings(steps=STEPS, step_size=step_size)
    run = build_job(job, "robust-features", builder, reference, part)
    built = built_data(run, data.images.device)
    rest = part.labels[built.columns["start_index"]]
    whole = replace(built, columns={**built.columns, "rest_label": rest})
    return Conflicting(images=whole.take(rest != built.columns["original_label"]), built=run)


def require_reference(reference: nn.Module, data: LabeledImages) -> None:
    """Raise NotbugsError unless the reference tells features apart that images of these data can disagree in."""
    if not hasattr(reference, "embed"):
        raise NotbugsError("the reference model has no embed(); give it one: wrap(model, image_shape=...)")
    classes = require_logits(reference, data.images, classes=data.classes)
    if classes != data.classes:
        raise NotbugsError(
            f"the reference model has {classes} classes, {data.origin.name} has {data.classes}"
        )
    if len(data.part(IMAGES).labels.unique()) < 2:
        raise NotbugsError(
            f"{data.origin.name} holds one class: no image can have another's robust features; leave out --reference"
        )


def conflict_job(job: Job, name: str, subject: Subject, conflicting: Conflicting) -> Run:
    """How often the answer to `conflicting_images` is the class of the robust features, and that of all else.

    What is to be distrusted in how they were built is a flag of this section too.
    """
    images = conflicting.images

    def make(index: int, progress: Progress) -> Tensors:
        return {"answers": predictions(subject.model, images.images)}

    flags = [
        Flag(
            "features_not_matched",
            f"Images in conflict: {flag['reason']}.",
            "Take another reference model.",
        )
        for flag in conflicting.built.result["flags"]
    ]

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        answers = parts[0]["answers"]
        followed = {
            what: answers == images.columns[column].cpu()
            for what, column in (("robust", "original_label"), ("rest", "rest_label"))
        }
        return {what: Proportion(int(mask.sum()), len(answers)) for what, mask in followed.items()}, flags

    return section_job(job, name, subject, images, {}, 1, make, summary)


__all__ = ["Conflicting", "conflict_job", "conflicting_images", "require_reference"]
