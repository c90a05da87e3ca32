"""How useful and how robust a model's features are: a section of an audit, some features a part."""

from collections.abc import Sequence

import torch
from torch import Tensor

from notbugs.audits.answers import REPEATED
from notbugs.audits.estimate import Estimate
from notbugs.audits.flag import Flag
from notbugs.data.labeled import LabeledImages
from notbugs.features import Usefulness, usefulness
from notbugs.jobs.job import Job
from notbugs.jobs.section import Measured, Tensors, parts_of, section_job
from notbugs.jobs.subject import Subject
from notbugs.models import frozen
from notbugs.models.logits import require_features
from notbugs.progress import Progress
from notbugs.runs import Run
from notbugs.seeds import generator
from notbugs.threats import Threat, parse_threat

PART = 16
"""Features a part: at most this much work is lost when something dies."""

STEPS = 20
_TENSORS = ("classes", "signs", "rho", "gamma", "rho_errors", "gamma_errors", "stuck")


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
    width = require_features(model, data.images)
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
        }, [*_stuck(found), *_changing(subject, data)]

    told = {"threat": threat, "features": count, "of": width, "attacked": attacked, "steps": STEPS}
    return section_job(job, name, subject, data, told, len(pieces), make, summary)


def read_usefulness(run: Run) -> tuple[Tensor, Usefulness]:
    """The features that a finished `usefulness_job` asked for, and what it found of them."""
    parts = parts_of(run)
    units = torch.cat([part["units"] for part in parts])
    return units, _joined(parts, parse_threat(run.config["threat"]), run.config["of"])


def _stuck(found: Usefulness) -> list[Flag]:
    """Of a useful feature without any slope the search says nothing, and it would count as robust."""
    blind = [
        stuck and kind != "useless" for stuck, kind in zip(found.stuck.tolist(), found.kinds(), strict=True)
    ]
    if not any(blind):
        return []
    return [
        Flag(
            "zero_gradients",
            f"{sum(blind)} of {len(blind)} features are useful and have no gradient at any of "
            f"{found.attacked} images: no search can lower them, and that they stay useful is no evidence.",
            "Let embed() be differentiable: no rounding, no detach(), no torch.no_grad().",
        )
    ]


def _changing(subject: Subject, data: LabeledImages) -> list[Flag]:
    embed = subject.model.embed  # type: ignore[attr-defined]
    with frozen(subject.model), torch.no_grad():
        first, second = (embed(data.images[:48]).double() for _ in range(2))
    change, spread = float((first - second).abs().mean()), float(first.std(0).mean())
    if change <= REPEATED * spread:
        return []
    return [
        Flag(
            "stochastic_outputs",
            f"Features of {len(first)} images differ from call to call by {change:.2g}, where images differ by "
            f"{spread:.2g}.",
            "Switch the randomness off: an adversary would average over it, this search does not.",
        )
    ]


def _joined(parts: Sequence[Tensors], threat: Threat, of: int) -> Usefulness:
    n, attacked, candidates = parts[0]["asked"].tolist()
    found = {key: torch.cat([part[key] for part in parts]) for key in _TENSORS}
    return Usefulness(threat=threat, n=n, attacked=attacked, candidates=candidates, of=of, **found)


__all__ = ["STEPS", "can_be_asked", "read_usefulness", "usefulness_job"]
