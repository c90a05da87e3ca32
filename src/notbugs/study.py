"""The main job: decompose a data set into robust and non-robust features, and see what each alone can do.

Teachers are trained on the data (standard, robust), four data sets are built with them, a student is trained on
each, and all of them are measured on the original test set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from notbugs.audits import SUITES, Proportion, default_attacks
from notbugs.data.labeled import LabeledImages
from notbugs.errors import unknown
from notbugs.execution import Watch
from notbugs.expectations import closed_forms, det_closed_forms
from notbugs.features import Builder
from notbugs.jobs import (
    Job,
    build_job,
    built_data,
    model_spec,
    resolved_precision,
    test_job,
    train_job,
    trained_model,
)
from notbugs.models import ImageClassifier
from notbugs.progress import silent
from notbugs.runs import Run, open_run
from notbugs.seeds import derived_seed
from notbugs.threats import Threat
from notbugs.training import TrainConfig

STUDENTS = ("d_r", "d_nr", "d_rand", "d_det")


@final
@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study does, as one value. `published` holds the paper's numbers by metric name, to print beside.

    `teachers` are the models trained on the data: `standard`, `robust`, and others that a builder may want.
    `builders` are keyed by student, and `built_with` names the teacher of each: the robust one for `d_r`, the
    standard one for the others, where it says nothing else. `student` is how all students are trained, save those
    that `students` names. `tested` bounds the images of the robust accuracies. Of the models that `audited` names,
    these are measured by the attacks of `suite` as well.

    >>> from notbugs import recipes
    >>> study = recipes.planted()
    >>> sorted(study.teachers), sorted(study.builders), study.teacher_of("d_r")
    (['robust', 'standard'], ['d_det', 'd_nr', 'd_r', 'd_rand'], 'robust')
    """

    name: str
    source: str
    arch: str
    threat: Threat
    teachers: Mapping[str, TrainConfig]
    student: TrainConfig
    builders: Mapping[str, Builder]
    built_with: Mapping[str, str] = field(default_factory=dict)
    students: Mapping[str, TrainConfig] = field(default_factory=dict)
    attack_steps: int = 20
    tested: int = 2000
    audited: Sequence[str] = ("d_r",)
    suite: str = "fast"
    duration: str = ""
    published: Mapping[str, float] = field(default_factory=dict)
    published_in: str = ""

    def __post_init__(self) -> None:
        if self.suite not in SUITES:
            raise unknown("suite", self.suite, SUITES)

    def with_arch(self, arch: str) -> "Study":
        return replace(self, arch=arch)

    def teacher_of(self, student: str) -> str:
        return self.built_with.get(student, "robust" if student == "d_r" else "standard")


def run_study(
    study: Study,
    data: LabeledImages,
    test: LabeledImages,
    *,
    root: Path,
    seed: int,
    precision: str = "auto",
    watch: Watch = lambda stage: silent,
) -> Run:
    """Run, or resume, a study. The directory holds every model, data set and test as a run of its own.

    The result's metrics are `<model>.<measure>`: `clean`, one per budget (eps / 2 and eps; of audited models a second
    one), `relabelled` (accuracy on labels y + 1) and, on planted data, `follows_robust` and `follows_nonrobust`.
    Raises what `train` and the builders raise.

    Example: `run_study(recipes.digits(), load("digits"), load("digits", split="test"), root=Path("runs"), seed=0)`,
    about 2 minutes, then `.result["metrics"]["d_nr.clean"]`.
    """
    stages = open_study(study, data, test, root=root, seed=seed, precision=precision, watch=watch)
    run = stages.run
    if run.is_done:
        return run
    names = (*study.teachers, *study.builders)
    tested = {name: stages.tested(name) for name in names}
    runs = {name: stages.model(name) for name in names}
    runs |= {f"data_{name}": stages.built(name) for name in study.builders}
    runs |= {f"test_{name}": of_model for name, of_model in tested.items()}
    measured = {
        f"{name}.{measure}": Proportion(*counts)
        for name, of_model in tested.items()
        for measure, counts in of_model.result["counts"].items()
    }
    run.finish(
        {
            "command": "study",
            "config": run.config,
            "metrics": {name: value.value for name, value in measured.items()},
            "intervals": {name: value.interval for name, value in measured.items()},
            "counts": {name: value.n for name, value in measured.items()},
            "expected": closed_forms(test, budgets(study)),
            "between": det_closed_forms(test),
            "published": dict(study.published),
            "published_in": study.published_in,
            "flags": flags(study, measured, runs),
            "attacks": [str(attack) for attack in default_attacks(study.threat, steps=study.attack_steps)],
            "stages": {name: str(stage.path.relative_to(run.path)) for name, stage in runs.items()},
            "stage_seconds": {name: stage.result["seconds"] for name, stage in runs.items()},
            "seconds": round(sum(stage.result["seconds"] for stage in runs.values()), 1),
            "device": str(data.images.device),
        }
    )
    return run


def open_study(
    study: Study,
    data: LabeledImages,
    test: LabeledImages,
    *,
    root: Path,
    seed: int,
    precision: str = "auto",
    watch: Watch = lambda stage: silent,
) -> "Stages":
    """The directory of a study, and its stages, none of them run yet."""
    precision = resolved_precision(precision, data)
    described = {
        "command": "study",
        # What is only said of a study does not make it another one.
        "study": replace(study, duration="", published={}, published_in=""),
        "data": data.known_by,
        "test": test.known_by,
        "seed": seed,
        "precision": precision,
    }
    run = open_run(root, study.name, described)
    return Stages(run=run, study=study, data=data, test=test, seed=seed, precision=precision, watch=watch)


@final
@dataclass(frozen=True, kw_only=True)
class Stages:
    """What a study consists of, each stage a run directory: asked for, it is found or made, with what it needs.

    Stages that do not need each other may be asked for by several processes at once.
    """

    run: Run
    study: Study
    data: LabeledImages
    test: LabeledImages
    seed: int
    precision: str
    watch: Watch

    def model(self, name: str) -> Run:
        """The trained teacher or student `name`."""
        study, spec = self.study, model_spec(self.study.arch, self.data)
        validation = self.test.part(study.tested)
        if name in study.teachers:
            return train_job(
                self._job(f"train {name}", name),
                name,
                spec,
                self.data,
                study.teachers[name],
                validation=validation,
            )
        return train_job(
            self._job(f"train on {name}", f"student {name}"),
            f"student_{name}",
            spec,
            built_data(self.built(name), self.data.images.device),
            study.students.get(name, study.student),
            validation=validation,
        )

    def built(self, name: str) -> Run:
        """The data set that the student `name` learns from."""
        teacher = self._trained(self.study.teacher_of(name))
        job = self._job(f"build {name}", f"build {name}")
        return build_job(job, name, self.study.builders[name], teacher, self.data)

    def tested(self, name: str) -> Run:
        """The model `name`, measured on the test set."""
        study = self.study
        return test_job(
            self._job(f"test {name}", "tests"),
            f"test_{name}",
            self._trained(name),
            self.test,
            budgets=budgets(study),
            attack_steps=study.attack_steps,
            tested=study.tested,
            suite=study.suite if name in study.audited else "",
        )

    def _trained(self, name: str) -> ImageClassifier:
        return trained_model(self.model(name), self.data.images.device)

    def _job(self, stage: str, name: str) -> Job:
        # Each stage has a seed of its own: a student must not begin with its teacher's weights.
        own = derived_seed(self.seed, name) % 2**31
        return Job(root=self.run.path, seed=own, precision=self.precision, progress=self.watch(stage))


def budgets(study: Study) -> tuple[Threat, Threat]:
    """Half the budget, and the budget."""
    return study.threat.scaled(0.5), study.threat


def flags(
    study: Study, measured: Mapping[str, Proportion], stages: Mapping[str, Run]
) -> list[dict[str, Any]]:
    """Reasons to distrust the numbers, as data."""
    found = [{**flag, "of": name} for name, stage in stages.items() for flag in stage.result["flags"]]
    for name in study.teachers:
        chance = 1 / max(2, _classes(stages[name]))
        if measured[f"{name}.clean"].interval[0] <= chance + 0.1 * (1 - chance):
            found.append(
                {"of": name, "reason": "hardly better than chance: what is built with it means little"}
            )
    return found


def _classes(stage: Run) -> int:
    return int(stage.config["model"]["classes"])
