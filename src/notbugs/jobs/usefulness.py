"""How useful and how robust a model's features are: a section of an audit, some features a part."""

from collections.abc import Sequence

import torch
from torch import Tensor

from notbugs.audits.estimate import Estimate
from notbugs.audits.flag import Flag
from notbugs.data.labeled import LabeledImages
from notbugs.features import Usefulness, usefulness
from notbugs.jobs.job import Job
from notbugs.jobs.section import Measured, Tensors, parts_of, section_job
from notbugs.jobs.subject import Subject
from notbugs.models import frozen
from notbugs.progress import Progress
from notbugs.runs import Run
from notbugs.seeds import generator
from notbugs.threats import Threat, parse_threat

PART = 16
"""Features a part: at most this much work is lost when something dies."""

STEPS = 20
_TENSORS = ("classes", "signs", "rho", "gamma", "rho_errors", "gamma_errors")


def can_be_asked(subject: Subject, data: LabeledImages) -> bool:
    """Whether the model shows its features, and every class has two images to tell them by."""
    counts = torch.bincount(data.labels, minlength=data.classes)
    return hasattr(subject.model, "embed") and int(counts.min()) >= 2


def usefulness_job(
    job: Job,
    name: str,
    subject: Subject,
    data: LabeledImages,
    *,
    threat: Threat,
    features: int,
    attacked: int,
) -> Run:
    """`usefulness` in a run directory, of at most so many `features`, evenly spread over all."""
    model = subject.model
    with frozen(model), torch.no_grad():
        width = model.embed(data.images[:1]).shape[1]  # type: ignore[attr-defined]
    count = min(features, width)
    chosen = [unit * width // count for unit in range(count)]
    pieces = [chosen[start : start + PART] for start in range(0, count, PART)]

    def make(index: int, progress: Progress) -> Tensors:
        found = usefulness(
            model,
            data,
            threat=threat,
            generator=generator(job.seed, "usefulness", index),
            attacked=attacked,
            steps=STEPS,
            units=pieces[index],
            progress=progress,
        )
        told = {key: getattr(found, key) for key in _TENSORS}
        return {
            **told,
            "units": torch.tensor(pieces[index]),
            "asked": torch.tensor([found.n, found.attacked, found.candidates]),
        }

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        found = _joined(parts, threat, width)
        said = {"robust": "robust", "non-robust": "nonrobust", "useless": "useless"}
        return {
            said[kind]: Estimate(share, interval, len(found.rho))
            for kind, (share, interval) in found.shares().items()
        }, ()

    told = {"threat": threat, "features": count, "of": width, "attacked": attacked, "steps": STEPS}
    return section_job(job, name, subject, data, told, len(pieces), make, summary)


def read_usefulness(run: Run) -> tuple[Tensor, Usefulness]:
    """The features that a finished `usefulness_job` asked for, and what it found of them."""
    parts = parts_of(run)
    units = torch.cat([part["units"] for part in parts])
    return units, _joined(parts, parse_threat(run.config["threat"]), run.config["of"])


def _joined(parts: Sequence[Tensors], threat: Threat, of: int) -> Usefulness:
    n, attacked, candidates = parts[0]["asked"].tolist()
    found = {key: torch.cat([part[key] for part in parts]) for key in _TENSORS}
    return Usefulness(threat=threat, n=n, attacked=attacked, candidates=candidates, of=of, **found)


__all__ = ["STEPS", "can_be_asked", "read_usefulness", "usefulness_job"]
