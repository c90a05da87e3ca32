"""`notbugs audit`: how robust a model is, and how far to believe that."""

from typing import Annotated, Literal

from cyclopts import Parameter

from notbugs.app.cli import app
from notbugs.app.options import DEFAULT, Common, Data, DataRoot, device_of, job_of, load_images, settle, show


@app.command
def audit(
    model: Annotated[
        str,
        Parameter(
            help="A run directory, a .safetensors file, or package.module:factory (images in [0, 1] to logits)."
        ),
    ],
    /,
    *,
    data: Data,
    data_root: DataRoot = None,
    split: Annotated[
        Literal["train", "test", "all"],
        Parameter(help="Which images. Where nobody has divided them, every fifth of a class is test."),
    ] = "test",
    threat: Annotated[str, Parameter(help="What may be changed: l2:0.5, linf:8/255, l1:12.")] = "l2:0.5",
    suite: Annotated[
        Literal["quick", "fast", "standard"],
        Parameter(
            help="quick: PGD, seconds. fast: within half a point of standard in a fraction of its time. "
            "standard: the attacks and budgets of AutoAttack."
        ),
    ] = "fast",
    n: Annotated[
        int, Parameter(help="At most so many: the first, or evenly spread where they lie class by class.")
    ] = 1000,
    norms: Annotated[
        bool, Parameter(help="Also look for the nearest adversarial image of each: accuracy at every eps.")
    ] = True,
    common: Common = DEFAULT,
) -> None:
    """Accuracy of a model under attack, every adversarial image verified in float32, with reasons to distrust it.

    Writes result.json, the adversarial images and report.html; an audit that was interrupted goes on where it was.

    Example: notbugs audit runs/train-wrn-16-2-0123456789 --data cifar10 --threat linf:8/255
    """
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.audits import nearest_attack, suite_attacks
    from notbugs.errors import require_positive
    from notbugs.jobs import audit_job
    from notbugs.runs import find_classifier, source_digest
    from notbugs.threats import parse_threat

    settle(common)
    require_positive("n", n)
    budget = parse_threat(threat)
    classifier = find_classifier(model, device=device_of(common))
    images = load_images(data, data_root, common, split=split).part(n)
    with watching(quiet=common.quiet) as watch:
        run = audit_job(
            job_of(common, watch("audit")),
            f"audit-{suite}",
            classifier,
            images,
            named=model,
            source=source_digest(model),
            threat=budget,
            attacks=suite_attacks(suite, budget, classes=images.classes),
            nearest=nearest_attack(budget) if norms else None,
        )
    write_report(run, originals=images)
    show(run, common)
