"""Lessons of the theory as run directories: each is kept when it is done, all make one page."""

from collections.abc import Callable, Sequence

from notbugs.alone import alone_in
from notbugs.errors import unknown
from notbugs.jobs.job import Job
from notbugs.lessons import LESSONS, Lesson
from notbugs.locations import within
from notbugs.progress import Progress, silent
from notbugs.runs import Run, open_run


def theory_job(
    job: Job, names: Sequence[str], *, watch: Callable[[str], Progress] = lambda stage: silent
) -> Run:
    """The lessons by name, a directory each inside one for all; those that are done are not repeated.

    The metrics are how many numbers were compared and how many agree; a number that does not is a flag. Raises
    NotbugsError for a lesson that there is not.
    """
    for name in names:
        if name not in LESSONS:
            raise unknown("lesson", name, LESSONS)
    described = {"command": "theory", "lessons": list(names), "seed": job.seed}
    run = open_run(job.root, "theory" if len(names) > 1 else f"theory-{names[0]}", described)
    taught = {name: _lesson_job(run, job.seed, name, watch(name)) for name in names}
    if run.is_done:
        return run
    lessons = {name: read_lesson(one) for name, one in taught.items()}
    metrics: dict[str, float] = {}
    for name, lesson in lessons.items():
        metrics[f"{name}.compared"] = len(lesson.checks)
        metrics[f"{name}.agree"] = sum(check.holds for check in lesson.checks)
    run.finish(
        {
            "command": "theory",
            "config": described,
            "metrics": metrics,
            "intervals": {},
            "flags": [
                {"of": name, "reason": str(check)}
                for name, lesson in lessons.items()
                for check in lesson.checks
                if not check.holds
            ],
            "findings": {name: lesson.findings for name, lesson in lessons.items()},
            "checks": {name: lesson.checks for name, lesson in lessons.items()},
            "lessons": {name: within(run.path, one.path) for name, one in taught.items()},
            "seconds": round(sum(one.result["seconds"] for one in taught.values()), 1),
            "device": "cpu",
        }
    )
    return run


def read_lesson(run: Run) -> Lesson:
    """What a finished lesson's directory holds."""
    return Lesson.from_json(run.result["lesson"])


def _lesson_job(parent: Run, seed: int, name: str, progress: Progress) -> Run:
    described = {"command": "lesson", "lesson": name, "seed": seed}
    run = open_run(parent.path, name, described)
    with alone_in(run.path, progress):
        if run.is_done:
            return run
        clock = run.clock()
        lesson = LESSONS[name](seed, progress)
        run.finish(
            {
                "command": "lesson",
                "config": described,
                "lesson": lesson.to_json(),
                "metrics": {check.what: check.found for check in lesson.checks},
                "intervals": {},
                "flags": [],
                "seconds": clock.seconds,
                "device": "cpu",
            }
        )
    return run


__all__ = ["read_lesson", "theory_job"]
