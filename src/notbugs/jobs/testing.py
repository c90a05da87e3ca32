"""The tests of a study's model as a run directory."""

from collections.abc import Sequence

from notbugs.audits import default_attacks, measure, suite_attacks
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
) -> Run:
    """What `measure` finds, in a run directory; returns at once if it is there."""
    described = {
        "command": "test",
        "model": model_digest(model),
        "test": test.digest,
        "attacks": [attack for threat in budgets for attack in default_attacks(threat, steps=attack_steps)],
        "suite": [
            attack
            for threat in budgets
            for attack in (suite_attacks(suite, threat, classes=test.classes) if suite else ())
        ],
        "tested": tested,
        "seed": job.seed,
        "precision": resolved_precision(job.precision, test),
    }
    run = open_run(job.root, name, described)
    if run.is_done:
        return run
    clock = run.clock()
    measured = measure(
        model,
        test,
        budgets=budgets,
        attack_steps=attack_steps,
        tested=tested,
        suite=suite,
        seed=job.seed,
        precision=job.precision,
        progress=job.progress,
    )
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
