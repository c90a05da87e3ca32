"""The tests of a study's model as run directories: what is counted right, of how many."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from notbugs.alone import alone_in
from notbugs.audits import Proportion, default_attacks, fooled_by, measure, step_counts, suite_attacks
from notbugs.data.labeled import LabeledImages
from notbugs.jobs.job import Job, resolved_precision
from notbugs.models import ImageClassifier, model_digest
from notbugs.runs import Run, open_run
from notbugs.threats import Threat


def test_job(
    job: Job,
    name: str,
    model: ImageClassifier,
    test: LabeledImages,
    *,
    budgets: Sequence[Threat],
    attack_steps: int,
    tested: int,
    suite: str,
    preceding: bool,
) -> Run:
    """What `measure` finds, in a run directory; returns at once if it is there."""
    told = {
        "attacks": [attack for threat in budgets for attack in default_attacks(threat, steps=attack_steps)],
        "suite": [
            attack
            for threat in budgets
            for attack in (suite_attacks(suite, threat, classes=test.classes) if suite else ())
        ],
        "tested": tested,
        **({"preceding": True} if preceding else {}),
    }
    return _counted(
        job,
        name,
        model,
        test,
        told,
        lambda: measure(
            model,
            test,
            budgets=budgets,
            attack_steps=attack_steps,
            tested=tested,
            suite=suite,
            preceding=preceding,
            seed=job.seed,
            precision=job.precision,
            progress=job.progress,
        ),
    )


def fooled_job(
    job: Job, name: str, model: ImageClassifier, changed: LabeledImages, originals: LabeledImages
) -> Run:
    """What `fooled_by` finds, in a run directory."""
    told = {"originals": originals.digest}
    return _counted(
        job, name, model, changed, told, lambda: {"fooled_by": fooled_by(model, changed, originals)}
    )


def steps_job(
    job: Job, name: str, model: ImageClassifier, test: LabeledImages, *, threat: Threat, counts: Sequence[int]
) -> Run:
    """What `step_counts` finds, in a run directory."""
    return _counted(
        job,
        name,
        model,
        test,
        {"up_to": [default_attacks(threat, steps=count)[:1] for count in counts]},
        lambda: step_counts(
            model, test, threat=threat, counts=counts, seed=job.seed, precision=job.precision,
            progress=job.progress,
        ),
    )  # fmt: skip


def _counted(
    job: Job,
    name: str,
    model: ImageClassifier,
    test: LabeledImages,
    told: Mapping[str, Any],
    count: Callable[[], Mapping[str, Proportion]],
) -> Run:
    """A run directory of proportions; `told` is what they depend on beside model and images."""
    described = {
        "command": "test",
        "model": model_digest(model),
        "test": test.digest,
        **told,
        "seed": job.seed,
        "precision": resolved_precision(job.precision, test),
    }
    run = open_run(job.root, name, described)
    with alone_in(run.path, job.progress):
        if run.is_done:
            return run
        clock = run.clock()
        measured = count()
        run.finish(
            {
                "command": "test",
                "config": described,
                "metrics": {key: value.value for key, value in measured.items()},
                "intervals": {key: value.interval for key, value in measured.items()},
                "counts": {key: [value.count, value.n] for key, value in measured.items()},
                "flags": [],
                "seconds": clock.seconds,
                "device": str(test.images.device),
            }
        )
    return run


__all__ = ["steps_job", "test_job", "fooled_job"]
