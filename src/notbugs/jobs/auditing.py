"""An audit as a run directory: every section of every model a run of its own inside it, resumed one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from notbugs.audits import nearest_attack, suite_attacks
from notbugs.audits.reliance import ablations
from notbugs.audits.spectral import usual_norm
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.execution import Watch
from notbugs.jobs.adversarial import adversarial_job
from notbugs.jobs.conflict import Conflicting, conflict_job, conflicting_images, require_reference
from notbugs.jobs.job import Job, resolved_precision
from notbugs.jobs.plan import Plan, frequency_shifts, heat_step
from notbugs.jobs.regions import region_job
from notbugs.jobs.saliency import saliency_job
from notbugs.jobs.sections import heat_map_job, shifts_job
from notbugs.jobs.subject import Subject
from notbugs.jobs.usefulness import can_be_asked, usefulness_job
from notbugs.locations import within
from notbugs.models import model_digest
from notbugs.models.logits import require_logits
from notbugs.progress import silent
from notbugs.runs import Run, open_run
from notbugs.threats import MaskFile, Restricted, Threat

SALIENCY_IMAGES = 100
"""Images whose saliency is looked at."""


def audit_job(
    job: Job,
    name: str,
    subjects: Sequence[Subject],
    data: LabeledImages,
    *,
    threat: Threat,
    plan: Plan,
    mask: MaskFile | None = None,
    reference: nn.Module | None = None,
    before: Callable[[], None] = lambda: None,
    watch: Watch = lambda stage: silent,
) -> Run:
    """Every section of `plan` for every model, each a run inside this one; what an earlier call left is kept.

    `mask`: a part of the image of which is asked as well whether answers go with it, and how much of the saliency
    lies there. `reference`: a robust model, to tell robust features from the rest by. `before` is called where
    something is left to do, first of all.

    The result's metrics are those of the sections, `<section>.<metric>`, beside `clean_accuracy` and
    `robust_accuracy`; with several models each begins with the model's place, `1.clean_accuracy`. Raises NotbugsError
    without a model, if one is named twice, and if a model, the mask, the reference and the data do not fit.
    """
    _require_fit(subjects, data, plan, mask, reference)
    described: dict[str, Any] = {
        "command": "audit",
        "models": [subject.known_by(data) for subject in subjects],
        "data": data.known_by,
        "n": len(data),
        "threat": threat,
        "plan": plan,
        "seed": job.seed,
        "precision": resolved_precision(job.precision, data),
        "device": data.images.device.type,
        **({"mask": mask.digest} if mask else {}),
        **({"reference": model_digest(reference)} if reference else {}),
    }
    run = open_run(job.root, name, described)
    if not run.is_done:
        before()
    makers = _makers(data, threat, plan, mask)
    built: list[Conflicting] = []
    if reference is not None:

        def conflict(job: Job, name: str, subject: Subject) -> Run:
            if not built:
                inside = replace(job, progress=watch("robust features"))
                built.append(conflicting_images(inside, reference, data))
            return conflict_job(job, name, subject, built[0])

        makers["conflict"] = conflict
    asked = [
        (number, section)
        for number, subject in enumerate(subjects)
        for section in makers
        if section != "features" or can_be_asked(subject, data)
    ]

    def stage_of(number: int, section: str) -> Run:
        subject = subjects[number]
        stage = f"{section}, {subject.named}" if len(subjects) > 1 else section
        return makers[section](replace(job, root=run.path, progress=watch(stage)), section, subject)

    runs = job.on.interleaved([partial(stage_of, *one) for one in asked])
    stages: list[dict[str, Run]] = [{} for _ in subjects]
    for (number, section), stage in zip(asked, runs, strict=True):
        stages[number][section] = stage
    if run.is_done:
        return run
    merged: dict[str, dict[str, Any]] = {"metrics": {}, "intervals": {}, "counts": {}}
    flags = []
    for number, made in enumerate(stages, start=1):
        prefix = f"{number}." if len(stages) > 1 else ""
        for section, done in made.items():
            result = done.result
            for kind, into in merged.items():
                into |= {
                    f"{prefix}{_metric(section, key)}": value for key, value in result.get(kind, {}).items()
                }
            whose = f"{subjects[number - 1].named}, " if len(stages) > 1 else ""
            flags += [{**flag, "of": f"{whose}{flag['of']}", "model": number} for flag in result["flags"]]
    everything = [stage for made in stages for stage in made.values()] + [one.built for one in built[:1]]
    run.finish(
        {
            "command": "audit",
            "config": run.config,
            **merged,
            "flags": flags,
            "stages": [
                {section: within(run.path, stage.path) for section, stage in made.items()} for made in stages
            ],
            "class_names": list(data.class_names),
            "seconds": round(sum(one.result["seconds"] for one in everything), 1),
            "device": str(data.images.device),
        }
    )
    return run


def _require_fit(
    subjects: Sequence[Subject],
    data: LabeledImages,
    plan: Plan,
    mask: MaskFile | None,
    reference: nn.Module | None,
) -> None:
    if not subjects:
        raise NotbugsError("an audit needs at least one model")
    if len({subject.named for subject in subjects}) < len(subjects):
        raise NotbugsError("the same model is named twice; name each once")
    if mask is not None:
        if not {"regions", "saliency"} & set(plan.sections):
            raise NotbugsError(
                "a mask is for the sections regions and saliency: ask for one, or leave it out"
            )
        mask.keep(data.images[:1])
    if reference is not None:
        if "reliance" not in plan.sections:
            raise NotbugsError("a reference is for the section reliance: ask for it, or leave it out")
        require_reference(reference, data)
    for subject in subjects:
        require_logits(subject.model, data.images, classes=data.classes)
        if tuple(plan.sections) == ("features",) and not can_be_asked(subject, data):
            raise NotbugsError(
                f"{subject.named}: single features are asked of a model with embed(), see wrap, and of images "
                "with two or more of every class"
            )


def _metric(section: str, key: str) -> str:
    """Those of attacks, filters and noise say what they are; the clean accuracy is the same in all sections."""
    said = section in ("adversarial", "frequency") or key == "clean_accuracy"
    return key if said else f"{section}.{key}"


def _makers(
    data: LabeledImages, threat: Threat, plan: Plan, mask: MaskFile | None
) -> dict[str, Callable[[Job, str, Subject], Run]]:
    """What makes each section, in order."""
    height, width = data.images.shape[2:]
    norm = usual_norm(height, width)

    def adversarial(job: Job, name: str, subject: Subject) -> Run:
        # As AutoAttack: what is targeted are the classes of the model, which may have more than the data.
        classes = require_logits(subject.model, data.images, classes=data.classes)
        attacks = suite_attacks(plan.attacks, threat, classes=classes)
        is_ball = not isinstance(threat, Restricted)  # nearest images are known in norms alone
        nearest = nearest_attack(threat) if plan.norms and is_ball else None
        return adversarial_job(job, name, subject, data, threat=threat, attacks=attacks, nearest=nearest)

    def corruption(job: Job, name: str, subject: Subject) -> Run:
        seeds = range(job.seed, job.seed + plan.draws)
        groups = plan.corruption_shifts()
        return shifts_job(job, name, subject, data, groups=groups, averaged=True, seeds=seeds)

    def frequency(job: Job, name: str, subject: Subject) -> Run:
        groups = frequency_shifts(height, width, norm)
        return shifts_job(job, name, subject, data, groups=groups, seeds=(job.seed,))

    def heat(job: Job, name: str, subject: Subject) -> Run:
        step = heat_step(height, width, plan.vectors)
        return heat_map_job(job, name, subject, data.part(plan.heat_images), step=step)

    def reliance(job: Job, name: str, subject: Subject) -> Run:
        groups = {one.name: {"without": one.removed, "only": one.kept} for one in ablations(data)}
        return shifts_job(job, name, subject, data, groups=groups, seeds=(job.seed,))

    def features(job: Job, name: str, subject: Subject) -> Run:
        return usefulness_job(
            job, name, subject, data, threat=threat, features=plan.units, attacked=plan.unit_images
        )

    def saliency(job: Job, name: str, subject: Subject) -> Run:
        return saliency_job(job, name, subject, data.part(SALIENCY_IMAGES), mask=mask)

    makers: Mapping[str, Callable[[Job, str, Subject], Run]] = {
        "adversarial": adversarial,
        "corruption": corruption,
        "frequency": frequency,
        "reliance": reliance,
        "features": features,
        "regions": lambda job, name, subject: region_job(job, name, subject, data, mask=mask),
        "saliency": saliency,
        "heat": heat,  # last, for its parts are short: no worker of a cluster waits long for another
    }
    wanted = {*plan.sections, *(["heat"] if "frequency" in plan.sections and plan.vectors else [])}
    return {name: make for name, make in makers.items() if name in wanted}


__all__ = ["audit_job"]
