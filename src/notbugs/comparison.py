"""Models that differ in one thing, trained by the same rule and audited side by side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.execution import LOCAL, Execution, Watch
from notbugs.jobs import (
    Job,
    Plan,
    Subject,
    audit_job,
    model_spec,
    resolved_precision,
    train_job,
    trained_model,
)
from notbugs.locations import Location, within
from notbugs.progress import silent
from notbugs.runs import Run, open_run
from notbugs.seeds import derived_seed
from notbugs.threats import Threat
from notbugs.training import TrainConfig


@final
@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, as one value: how each model is trained, and how all are audited.

    `models` are keyed by name, the first one is what the others are held against. They are trained on `source`, but
    for those that `sources` names; all are audited on at most `tested` test images of `source`, within `threat`.

    >>> from notbugs import recipes
    >>> list(recipes.critic().models)
    ['standard', 'critic', 'untagged']
    """

    name: str
    source: str
    arch: str
    threat: Threat
    models: Mapping[str, TrainConfig]
    plan: Plan
    sources: Mapping[str, str] = field(default_factory=dict)
    tested: int = 1000
    duration: str = ""

    def __post_init__(self) -> None:
        names = list(self.models)
        unfit = [
            one
            for one in names
            if set(one) & set("/\\:") or any(name.startswith(f"{one}.") for name in names)
        ]
        if unfit:
            raise NotbugsError(
                f"{self.name}: a model's name begins those of its directory and metrics; "
                f"rename {', '.join(unfit)}"
            )
        if unknown := set(self.sources) - set(self.models):
            raise NotbugsError(
                f"{self.name}: sources of models that there are not: {', '.join(sorted(unknown))}"
            )

    def source_of(self, model: str) -> str:
        return self.sources.get(model, self.source)


def run_comparison(
    comparison: Comparison,
    data: Callable[[str], LabeledImages],
    test: LabeledImages,
    *,
    root: Location,
    seed: int,
    precision: str = "auto",
    watch: Watch = lambda stage: silent,
    on: Execution = LOCAL,
) -> Run:
    """Train, or find, every model, here, and audit them side by side, `on` what is asked for; `data` gives the
    training images of each by name, and is asked when they are needed.

    All models begin with the same weights and see their images in the same order: what differs is what they are
    compared by. The result is that of the audit, its metrics named `<model>.<metric>`. Raises what training raises.
    """
    described: dict[str, Any] = {
        "command": "comparison",
        # What is only said of a comparison does not make it another one.
        "comparison": replace(comparison, duration=""),
        "training": {name: data(name).known_by for name in comparison.models},
        "test": test.known_by,
        # What the audit looks at, and its report shows.
        "data": test.part(comparison.tested).known_by,
        "n": min(comparison.tested, len(test)),
        "seed": seed,
        "precision": resolved_precision(precision, test),
    }
    run = open_run(root, comparison.name, described)
    subjects, seconds, part = [], 0.0, test.part(comparison.tested)
    for name, config in comparison.models.items():
        own, images = derived_seed(seed, "comparison") % 2**31, data(name)
        job = Job(root=run.path, seed=own, precision=precision, progress=watch(f"train {name}"))
        spec = model_spec(comparison.arch, images)
        trained = train_job(job, name, spec, images, config, validation=part)
        seconds += trained.result["seconds"]
        subjects.append(Subject(model=trained_model(trained, test.images.device), named=name))
    job = Job(root=run.path, seed=seed, precision=precision, on=on)
    audit = audit_job(
        job, "audit", subjects, part, threat=comparison.threat, plan=comparison.plan, watch=watch
    )
    if run.is_done:
        return run
    result = audit.result
    names = {str(number): name for number, name in enumerate(comparison.models, start=1)}
    for kind in ("metrics", "intervals", "counts"):
        result[kind] = {_renamed(key, names): value for key, value in result[kind].items()}
    inside = within(run.path, audit.path)
    run.finish(
        {
            **result,
            "command": "comparison",
            "config": {**result["config"], **described},
            "stages": [
                {key: f"{inside}/{path}" for key, path in stages.items()} for stages in result["stages"]
            ],
            "seconds": round(seconds + result["seconds"], 1),
        }
    )
    return run


def _renamed(key: str, names: Mapping[str, str]) -> str:
    number, dot, rest = key.partition(".")
    return f"{names[number]}{dot}{rest}" if number in names else key


__all__ = ["Comparison", "run_comparison"]
