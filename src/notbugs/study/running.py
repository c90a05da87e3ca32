"""The main job: decompose a data set into robust and non-robust features, and see what each alone can do.

Models are trained on the data, sets are built with them, students are trained on each set, and all of them are
measured on the original test images.
"""

import json
from collections.abc import Mapping
from typing import Any

from notbugs.audits import Proportion, default_attacks
from notbugs.data.labeled import LabeledImages
from notbugs.description import to_json
from notbugs.errors import NotbugsError
from notbugs.execution import LOCAL, Execution, Watch
from notbugs.expectations import closed_forms, det_closed_forms
from notbugs.jobs import resolved_precision
from notbugs.locations import Location, within
from notbugs.progress import silent
from notbugs.runs import Run, open_run
from notbugs.study.differences import CHANCE, Exact, Numbers
from notbugs.study.parts import DATA, Built, First
from notbugs.study.stages import Stages, budgets
from notbugs.study.study import Study


def run_study(
    study: Study,
    data: LabeledImages,
    test: LabeledImages,
    *,
    root: Location,
    seed: int,
    precision: str = "auto",
    watch: Watch = lambda stage: silent,
    on: Execution = LOCAL,
) -> Run:
    """Run, or resume, a study. The directory holds every model, data set and test as a run of its own.

    The result's metrics are `<model>.<measure>`: `clean`, one per budget (eps / 2 and eps; of audited models a second
    one), `relabelled` (accuracy on labels y + 1; of models of a poisoned set `preceding`, y - 1), on planted data
    `follows_robust` and `follows_nonrobust`; where the study asks for them, `on_<set>` with the same endings,
    `fooled_by_<set>` and `steps_<count>`. `verdicts` hold its claims against them.

    Of a finished study claims, titles and plots are brought up to date, and nothing is measured again. Raises
    NotbugsError for test images of other classes, and what `train` and the builders raise.

    Example: `run_study(recipes.digits(), load("digits"), load("digits", split="test"), root=Path("runs"), seed=0)`,
    about 2 minutes, then `.result["metrics"]["d_nr.clean"]`.
    """
    stages = open_study(study, data, test, root=root, seed=seed, precision=precision, watch=watch, on=on)
    run = stages.run
    if run.is_done:
        rejudged(study, run)
        return run
    tests = {name: stages.tested(name) for name in study.measured}
    runs = {name: stages.model(name) for name in study.models}
    runs |= {f"data_{name}": stages.built(name) for name, one in study.sets.items() if isinstance(one, Built)}
    runs |= {
        f"test_{name}{f'.{start}' if start else ''}": one
        for name, found in tests.items()
        for start, one in found.items()
    }
    measured = {
        f"{name}.{_measure(start, key)}": Proportion(*counts)
        for name, found in tests.items()
        for start, one in found.items()
        for key, counts in one.result["counts"].items()
    }
    chance = _guessing(data, test)
    run.finish(
        {
            "command": "study",
            "config": run.config,
            "metrics": {name: value.value for name, value in measured.items()},
            "intervals": {name: value.interval for name, value in measured.items()},
            "counts": {name: value.n for name, value in measured.items()},
            "expected": closed_forms(test, budgets(study)),
            "between": det_closed_forms(test),
            "flags": flags(study, measured, runs, chance),
            "attacks": [str(attack) for attack in default_attacks(study.threat, steps=study.attack_steps)],
            "stages": {name: within(run.path, stage.path) for name, stage in runs.items()},
            "stage_seconds": {name: stage.result["seconds"] for name, stage in runs.items()},
            "seconds": round(sum(stage.result["seconds"] for stage in runs.values()), 1),
            "device": str(data.images.device),
            "chance": chance,
            **said_of(study, {**measured, CHANCE: Exact(chance)}),
        }
    )
    return run


def rejudged(study: Study, run: Run) -> bool:
    """Hold the claims of `study` against the numbers of a finished run of it, where what is said has changed since.

    Nothing is measured again. Returns whether something was written.
    """
    result = run.result
    measured: dict[str, Proportion | Exact] = {
        name: Proportion(round(value * result["counts"][name]), result["counts"][name])
        for name, value in result["metrics"].items()
    }
    said = json.loads(to_json(said_of(study, {**measured, CHANCE: Exact(result["chance"])})))
    if all(result.get(key) == value for key, value in said.items()):
        return False
    run.finish(result | said)
    return True


def said_of(study: Study, measured: Numbers) -> dict[str, Any]:
    """What a result says beside its numbers: titles in order, claims with what came of them, plots."""
    return {
        # Lists keep their order in a file that sorts its keys.
        "models": [[name, study.titles.get(name, "")] for name in study.models],
        "sets": [[name, study.set_titles.get(name, "")] for name in study.sets],
        "question": study.question,
        "published": dict(study.published),
        "published_in": study.published_in,
        "verdicts": [
            {**vars(verdict), "finding": verdict.finding}
            for verdict in (claim.judged(measured) for claim in study.claims)
        ],
        "plots": [{**vars(plot), "lines": list(plot.lines.items())} for plot in study.plots],
    }


def open_study(
    study: Study,
    data: LabeledImages,
    test: LabeledImages,
    *,
    root: Location,
    seed: int,
    precision: str = "auto",
    watch: Watch = lambda stage: silent,
    on: Execution = LOCAL,
) -> Stages:
    """The directory of a study, and its stages, none of them run yet."""
    for name, one in study.sets.items():
        if isinstance(one, First) and one.of == DATA and one.count > len(data):
            raise NotbugsError(f"{study.name}: {name} takes {one.count} training images, {data} has fewer")
    if data.class_names != test.class_names or data.images.shape[1:] != test.images.shape[1:]:
        raise NotbugsError(
            f"{study.name}: {test} has other classes or sizes than {data}: no test of what it teaches"
        )
    for metric in study.spoken:
        _, follows, feature = metric.partition(".follows_")
        if follows and f"{feature}_class" not in test.columns:
            raise NotbugsError(f"{study.name}: {metric} is measured on planted images only, not on {test}")
    precision = resolved_precision(precision, data)
    described = {
        "command": "study",
        "study": study.computed(),
        "data": data.known_by,
        "test": test.known_by,
        "seed": seed,
        "precision": precision,
    }
    run = open_run(root, study.name, described)
    return Stages(
        run=run, study=study, data=data, test=test, seed=seed, precision=precision, watch=watch, on=on
    )


def flags(
    study: Study, measured: Mapping[str, Proportion], stages: Mapping[str, Run], chance: float
) -> list[dict[str, Any]]:
    """Reasons to distrust the numbers, as data."""
    found = [{**flag, "of": name} for name, stage in stages.items() for flag in stage.result["flags"]]
    for name in study.on_data:
        if measured[f"{name}.clean"].interval[0] <= chance + 0.1 * (1 - chance):
            found.append(
                {"of": name, "reason": "hardly better than chance: what is built with it means little"}
            )
    return found


def _measure(start: str, key: str) -> str:
    """A measure of a test, as the study calls it: `clean` on another set is that set's own number."""
    if key in ("clean", "fooled_by") and start:
        return start
    return f"{start}_{key}" if start.startswith("on_") else key


def _guessing(data: LabeledImages, test: LabeledImages) -> float:
    """What a classifier gets right that always gives the most frequent class of the training images."""
    return float((test.labels == data.labels.bincount().argmax()).double().mean())


__all__ = ["flags", "open_study", "rejudged", "run_study", "said_of"]
