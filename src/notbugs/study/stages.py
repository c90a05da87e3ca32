"""The stages of a study: each a run directory, found or made when it is asked for, with what it needs."""

from dataclasses import dataclass, replace
from typing import final

from notbugs.data.labeled import LabeledImages
from notbugs.description import describe
from notbugs.execution import LOCAL, Execution, Watch
from notbugs.jobs import (
    Job,
    build_job,
    built_data,
    fooled_job,
    model_spec,
    probe_job,
    steps_job,
    test_job,
    train_job,
    trained_model,
)
from notbugs.models import ImageClassifier
from notbugs.runs import Run
from notbugs.seeds import derived_seed, generator
from notbugs.study.parts import DATA, PROJECTION, TEST, Built, Probed
from notbugs.study.study import Study
from notbugs.threats import Threat


@final
@dataclass(frozen=True, kw_only=True)
class Stages:
    """What a study consists of. Stages that do not need each other may be asked for by several processes at once."""

    run: Run
    study: Study
    data: LabeledImages
    test: LabeledImages
    seed: int
    precision: str
    watch: Watch
    on: Execution = LOCAL

    def model(self, name: str) -> Run:
        """The trained model `name`."""
        study, one = self.study, self.study.models[name]
        images, validation = self.images(one.on), self.test.part(study.tested)
        is_student = one.on != DATA
        prefix, own = ("student_", "student ") if is_student else ("", "")
        if isinstance(one, Probed):
            job = self._job(f"probe {name}", f"probe {name}")
            of = self._trained(one.of)
            return probe_job(job, f"probe_{name}", of, images, layer=one.layer, validation=validation)
        job = self._job(f"train {'on ' if is_student else ''}{name}", f"{own}{name}")
        spec = model_spec(one.arch or study.arch, images)
        # How many of a set are mislabelled, say, nobody knows before.
        how = replace(one.how, batch_size=min(one.how.batch_size, len(images)))
        if one.is_encoder:
            return train_job(job, name, replace(spec, classes=PROJECTION), images, how)
        return train_job(job, f"{prefix}{name}", spec, images, how, validation=validation)

    def built(self, name: str) -> Run:
        """The built set `name`."""
        one = self.study.sets[name]
        if not isinstance(one, Built):
            raise TypeError(f"{name} is not built: it has no directory")
        job = self._job(f"build {name}", f"build {name}")
        others = [self._trained(other) for other in one.others]
        return build_job(job, name, one.builder, self._trained(one.by), self.images(one.of), others=others)

    def images(self, name: str) -> LabeledImages:
        """The set `name`, with all that it is made of."""
        if name in (DATA, TEST):
            return self.data if name == DATA else self.test
        one, device = self.study.sets[name], self.data.images.device
        if isinstance(one, Built):
            return built_data(self.built(name), device)
        images = one.derived(self.images, generator=generator(self.seed, "set", name))
        origin = images.origin
        recipe = {"derived": describe(one), "of": origin.recipe}
        return replace(images, origin=replace(origin, name=f"{name} of {origin.name}", recipe=recipe))

    def tested(self, name: str) -> dict[str, Run]:
        """The model `name`, measured: by the start of the names that its measures get."""
        study, model = self.study, self._trained(name)
        is_audited = name in study.audited
        found = {
            "": self._test(name, model, self.test, f"test_{name}", study.suite if is_audited else ""),
        }
        for of, models in study.seen.items():
            if name in models:
                found[f"on_{of}"] = self._test(name, model, self.images(of), f"test_{name}_on_{of}", "")
        for of, models in study.fooled_by.items():
            if name in models:
                job = self._job(f"test {name}", "tests")
                found[f"fooled_by_{of}"] = fooled_job(
                    job, f"test_{name}_fooled_by_{of}", model, self.images(of), self.images(study.sets[of].of)
                )
        if is_audited and study.step_counts:
            found["steps"] = steps_job(
                self._job(f"test {name}", "tests"),
                f"test_{name}_steps",
                model,
                self.test.part(study.tested),
                threat=budgets(study)[0],
                counts=study.step_counts,
            )
        return found

    def _test(self, name: str, model: ImageClassifier, images: LabeledImages, named: str, suite: str) -> Run:
        study = self.study
        return test_job(
            self._job(f"test {name}", "tests"),
            named,
            model,
            images,
            budgets=budgets(study),
            attack_steps=study.attack_steps,
            tested=study.tested,
            suite=suite,
            preceding=study.is_poisoned(name),
        )

    def _trained(self, name: str) -> ImageClassifier:
        return trained_model(self.model(name), self.data.images.device)

    def _job(self, stage: str, name: str) -> Job:
        # Each stage has a seed of its own: a student must not begin with its teacher's weights.
        own = derived_seed(self.seed, name) % 2**31
        return Job(
            root=self.run.path, seed=own, precision=self.precision, progress=self.watch(stage), on=self.on
        )


def budgets(study: Study) -> tuple[Threat, Threat]:
    """Half the budget, and the budget."""
    return study.threat.scaled(0.5), study.threat


__all__ = ["Stages", "budgets"]
