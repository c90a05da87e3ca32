"""`notbugs audit`: what a model relies on, what it withstands, and how far to believe that."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from notbugs.app.cli import app
from notbugs.app.options import (
    DEFAULT,
    Common,
    Data,
    DataRoot,
    Split,
    device_of,
    here,
    job_of,
    load_images,
    located,
    say,
    settled,
    show,
)
from notbugs.locations import Location

if TYPE_CHECKING:
    from notbugs.data import LabeledImages
    from notbugs.jobs import Plan, Subject
    from notbugs.models import ImageClassifier


@app.command
def audit(
    *models: Annotated[
        str,
        Parameter(
            help="Run directories, .safetensors files, package.module:factory (images in [0, 1] to logits), "
            "zoo:NAME, timm:NAME or torchvision:NAME where these are installed; several are shown side by side."
        ),
    ],
    data: Data,
    data_root: DataRoot = None,
    split: Split = "test",
    threat: Annotated[str, Parameter(help="What may be changed: l2:0.5, linf:8/255, l1:12.")] = "l2:0.5",
    suite: Annotated[
        Literal["quick", "standard", "full"],
        Parameter(
            help="How closely to look. quick: PGD, one severity. standard: strong attacks, every severity, heat map. "
            "full: AutoAttack's attacks and budgets, 19 corruptions, three draws each."
        ),
    ] = "standard",
    attacks: Annotated[
        Literal["quick", "fast", "standard"] | None,
        Parameter(
            help="The attacks, if not the suite's own. quick: PGD. fast: within half a point of standard in a "
            "fraction of its time. standard: the attacks and budgets of AutoAttack."
        ),
    ] = None,
    sections: Annotated[
        str,
        Parameter(
            help="Only these: adversarial, corruption, frequency, reliance, features, regions, saliency."
        ),
    ] = "",
    n: Annotated[
        int, Parameter(help="At most so many: the first, or evenly spread where they lie class by class.")
    ] = 1000,
    norms: Annotated[
        bool | None,
        Parameter(help="Also look for the nearest adversarial image of each: accuracy at every eps."),
    ] = None,
    mask: Annotated[
        Path | None,
        Parameter(
            help="A black and white PNG, as large as the images: do answers follow what is white there?",
            converter=here,
            metavar="PATH",
        ),
    ] = None,
    reference: Annotated[
        Location | None,
        Parameter(
            help="A robust model of ours: are robust features followed, or the rest, where images hold one class's "
            "robust features and the rest of another's?",
            converter=located,
            metavar="PATH|URL",
        ),
    ] = None,
    fail_under: Annotated[
        tuple[str, ...],
        Parameter(
            help="End with exit code 1 if a number is lower: robust=0.4, corruption.mean=0.6.", negative=()
        ),
    ] = (),
    common: Common = DEFAULT,
) -> None:
    """What classifiers rely on and withstand: attacks, corruptions, frequencies, features, regions; in one report.

    Every adversarial image is verified in float32, and reasons to distrust a number come with it. Writes result.json,
    everything that was found, and report.html; an audit that was interrupted goes on where it was.

    Example: notbugs audit runs/train-wrn-16-2-0123456789 --data cifar10 --threat linf:8/255
    """
    from notbugs.app.limits import parse_limits, require_asked, require_limits, require_sections
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.errors import NotbugsError, require_positive
    from notbugs.jobs import PLANS, Subject, audit_job
    from notbugs.runs import find_classifier, load_classifier, source_digest
    from notbugs.threats import MaskFile, parse_threat

    common = settled(common)
    require_positive("n", n)
    if not models:
        raise NotbugsError(
            "name at least one model, as in: notbugs audit runs/train-0123456789 --data cifar10"
        )
    budget, limits = parse_threat(threat), parse_limits(fail_under)
    plan = PLANS[suite]
    plan = replace(
        plan,
        attacks=attacks or plan.attacks,
        norms=plan.norms if norms is None else norms,
        sections=_in_order(sections) if sections else plan.sections,
    )
    require_sections(limits, plan.sections)
    require_asked(limits, {"conflict.": ("--reference", reference), "regions.mask.": ("--mask", mask)})
    subjects = [
        Subject(model=find_classifier(one, device=device_of(common)), named=one, source=source_digest(one))
        for one in models
    ]
    images = load_images(data, data_root, common, split=split).part(n)
    robust = load_classifier(reference).to(device_of(common)) if reference else None
    with watching(quiet=common.quiet) as watch:
        run = audit_job(
            job_of(common, watch("audit")),
            f"audit-{suite}",
            subjects,
            images,
            threat=budget,
            plan=plan,
            mask=MaskFile(str(mask)) if mask else None,
            reference=robust,
            before=lambda: None if common.quiet else _say_how_long(subjects, images, plan, robust, common),
            watch=watch,
        )
    write_report(run, originals=images)
    show(run, common)
    require_limits(run.result, limits)


def _in_order(sections: str) -> tuple[str, ...]:
    """The sections asked for, in the order of the report: the same ones are the same audit."""
    from notbugs.jobs import SECTIONS

    asked = [part.strip() for part in sections.split(",")]
    return tuple(
        sorted(dict.fromkeys(asked), key=lambda name: SECTIONS.index(name) if name in SECTIONS else -1)
    )


def _say_how_long(
    subjects: "Sequence[Subject]",
    images: "LabeledImages",
    plan: "Plan",
    reference: "ImageClassifier | None",
    common: Common,
) -> None:
    """The expected time of each section, all models together; parts that are there already take none."""
    from notbugs.app.repeating import duration
    from notbugs.jobs import expected_conflict_seconds, expected_seconds

    total: dict[str, float] = {}
    for subject in subjects:
        for section, seconds in expected_seconds(subject, images, plan, precision=common.precision).items():
            total[section] = total.get(section, 0.0) + seconds
    if reference is not None:
        total["robust features"] = expected_conflict_seconds(reference, images, precision=common.precision)
    parts = ", ".join(f"{section} {duration(seconds)}" for section, seconds in total.items())
    say(f"{images}: about {duration(sum(total.values()))} at most ({parts})")
