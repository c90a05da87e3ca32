"""A study as one value: its models, the sets that they learn from, what is measured and what should come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from notbugs.audits import SUITES, audit_name, measure_name
from notbugs.errors import NotbugsError, require_kind, require_positive, unknown
from notbugs.study.claims import Claim
from notbugs.study.parts import (
    DATA,
    TEST,
    Built,
    Derived,
    First,
    Mislabelled,
    Mixture,
    Model,
    Probed,
    RightlyLabelled,
    Trained,
)
from notbugs.study.plot import Plot
from notbugs.threats import Threat


@final
@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study does. Models and sets may need each other in any order that does not go round.

    All models are measured on the test images: clean, within half of `threat` and within it (PGD of `attack_steps`,
    on at most `tested` images), and those that `audited` names by the attacks of `suite` as well. Of `step_counts`
    the audited ones are also attacked by PGD of so many steps, within half of the threat. `seen` names models that
    are measured on other sets too, and `fooled_by` those whose answers a set of changed images should turn.

    The rest is only said: titles of models and sets, claims, plots, how long it takes; `published` holds the
    paper's numbers by metric name, to print beside. Raises NotbugsError where a name means nothing.

    >>> from notbugs import recipes
    >>> study = recipes.planted()
    >>> list(study.models), list(study.sets), study.sets["d_r"].by
    (['standard', 'robust', 'd_r', 'd_nr', 'd_rand', 'd_det'], ['d_r', 'd_nr', 'd_rand', 'd_det'], 'robust')
    """

    name: str
    source: str
    arch: str
    threat: Threat
    models: Mapping[str, Model]
    sets: Mapping[str, Built | Derived] = field(default_factory=dict)
    attack_steps: int = 20
    tested: int = 2000
    audited: Sequence[str] = ()
    suite: str = "fast"
    step_counts: Sequence[int] = ()
    seen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fooled_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    set_titles: Mapping[str, str] = field(default_factory=dict)
    claims: Sequence[Claim] = ()
    plots: Sequence[Plot] = ()
    question: str = ""
    duration: str = ""
    published: Mapping[str, float] = field(default_factory=dict)
    published_in: str = ""

    def __post_init__(self) -> None:
        self._require_kinds()
        if self.suite not in SUITES:
            raise unknown("suite", self.suite, SUITES)
        models, sets = list(self.models), [DATA, TEST, *self.sets]
        for name in (self.name, *self.models, *self.sets):
            if not name or {"/", "\\", ".", ":"} & set(name) or name.startswith(("data_", "test_")):
                raise NotbugsError(f"{self.name}: a name is part of paths and metrics: not {name!r}")
        if not models:
            raise NotbugsError(f"{self.name}: a study needs a model")
        require_positive("attack_steps", self.attack_steps)
        require_positive("tested", self.tested)
        for name in {DATA, TEST} & set(self.sets):
            raise NotbugsError(
                f"{self.name}: {name} is what the source's own images are called: not another set"
            )
        for count in self.step_counts:
            require_positive("step_counts", count)
        for name in self._named_sets():
            if name not in sets:
                raise unknown("set of the study", name, sets)
        for name in self._named_models():
            if name not in models:
                raise unknown("model of the study", name, models)
        for name in self._named_to_answer():
            if name not in self.measured:
                raise NotbugsError(
                    f"{self.name}: {name} is an encoder: it answers nothing that could be asked here"
                )
        for name in self.models:
            self._before_model(name, ())
        self._require_metrics()
        self._require_built()

    def _require_kinds(self) -> None:
        """A study is written by hand."""
        for part in ("name", "source", "arch", "suite", "question", "duration", "published_in"):
            require_kind(f"Study.{part}", getattr(self, part), str)
        require_kind("Study.threat", self.threat, Threat)
        for part in ("attack_steps", "tested"):
            require_kind(f"Study.{part}", getattr(self, part), int)
        for part in ("models", "sets", "seen", "fooled_by", "titles", "set_titles", "published"):
            require_kind(f"Study.{part}", getattr(self, part), Mapping)
            for name in getattr(self, part):
                require_kind(f"a name in Study.{part}", name, str)
        for part, kinds in (
            ("audited", (str,)),
            ("step_counts", (int,)),
            ("claims", (Claim,)),
            ("plots", (Plot,)),
        ):
            _require_all(f"Study.{part}", getattr(self, part), *kinds)
        for part in ("seen", "fooled_by"):
            for name, models in getattr(self, part).items():
                _require_all(f"Study.{part}[{name!r}]", models, str)
        for name, model in self.models.items():
            require_kind(f"model {name}", model, Trained, Probed)
        for name, one in self.sets.items():
            require_kind(f"set {name}", one, Built, Derived)
            if isinstance(one, Built):
                _require_all(f"set {name}: others", one.others, str)
        for part in ("titles", "set_titles"):
            _require_all(f"Study.{part}", list(getattr(self, part).values()), str)
        _require_all("Study.published", list(self.published.values()), float, int)

    def computed(self) -> "Study":
        """Without what is only said of it: two studies that compute the same are the same."""
        return replace(
            self, titles={}, set_titles={}, claims=(), plots=(), question="", duration="", published={},
            published_in="",
        )  # fmt: skip

    def with_arch(self, arch: str) -> "Study":
        return replace(self, arch=arch)

    @property
    def on_data(self) -> tuple[str, ...]:
        """The models that are trained on the data, or some of them, and their labels; the others are students of a
        set, or encoders.
        """
        return tuple(
            name
            for name, one in self.models.items()
            if isinstance(one, Trained) and not one.is_encoder and self._is_data(one.on)
        )

    def _is_data(self, of: str) -> bool:
        one = self.sets.get(of)
        return of == DATA or (isinstance(one, First) and self._is_data(one.of))

    @property
    def measured(self) -> tuple[str, ...]:
        """The models that answer with the classes of the test images."""
        return tuple(name for name, one in self.models.items() if not one.is_encoder)

    @property
    def spoken(self) -> tuple[str, ...]:
        """The metrics that claims and plots are made of."""
        of_claims = [metric for claim in self.claims for metric in claim.metrics()]
        return (*of_claims, *(metric for plot in self.plots for metric in plot.metrics()))

    def is_poisoned(self, name: str) -> bool:
        """Whether a model learns pushed images under their right labels, and so, maybe, the class before."""
        return isinstance(self.sets.get(self.models[name].on), RightlyLabelled)

    def needed_by(self, stage: str) -> frozenset[str]:
        """The stages without which one cannot be made, all of them: model `x`, or built set `data_x`."""
        if stage in self.models:
            return frozenset(self._before_model(stage, ()))
        return frozenset(self._before_set(stage.removeprefix("data_"), ()) - {stage})

    def measured_with(self, name: str) -> frozenset[str]:
        """The stages that must be there to measure model `name`: itself, and those behind the sets that it sees."""
        sets = [of for pairs in (self.seen, self.fooled_by) for of, names in pairs.items() if name in names]
        return frozenset({name}).union(*(self._before_set(of, ()) for of in sets))

    def _before_model(self, name: str, path: tuple[str, ...]) -> set[str]:
        one, path = self.models[name], self._further(name, path)
        needed = self._before_set(one.on, path)
        if isinstance(one, Probed):
            needed |= {one.of} | self._before_model(one.of, path)
        return needed

    def _before_set(self, of: str, path: tuple[str, ...]) -> set[str]:
        if of in (DATA, TEST):
            return set()
        one, path = self.sets[of], self._further(f"data_{of}", path)
        needed = self._before_set(one.of, path)
        if isinstance(one, Mixture):
            needed |= self._before_set(one.beside, path)
        if isinstance(one, Built):
            needed.add(f"data_{of}")
            for model in (one.by, *one.others):
                needed |= {model} | self._before_model(model, path)
        return needed

    def _further(self, stage: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if stage in path:
            raise NotbugsError(f"{self.name}: {' needs '.join((*path, stage))}: that goes round")
        return (*path, stage)

    def _require_metrics(self) -> None:
        """Claims and plots must speak of what will be measured: they are judged when all is done."""
        half, whole = self.threat.scaled(0.5), self.threat
        plain = ["clean", "relabelled", "follows_robust", "follows_nonrobust"]
        plain += [measure_name(half), measure_name(whole)]
        known = {f"{name}.{measure}" for name in self.measured for measure in plain}
        known |= {f"{name}.preceding" for name in self.measured if self.is_poisoned(name)}
        known |= {f"{name}.{audit_name(budget)}" for name in self.audited for budget in (half, whole)}
        known |= {f"{name}.steps_{count}" for name in self.audited for count in self.step_counts}
        for of, names in self.seen.items():
            ends = ("", *(f"_{measure}" for measure in plain[1:]))
            known |= {f"{name}.on_{of}{end}" for name in names for end in ends}
        known |= {f"{name}.fooled_by_{of}" for of, names in self.fooled_by.items() for name in names}
        for metric in self.spoken:
            if metric not in known:
                raise unknown("metric of the study", metric, sorted(known))

    def _require_built(self) -> None:
        """What asks where an image came from needs a built set."""
        asked = [
            (name, one.of)
            for name, one in self.sets.items()
            if isinstance(one, Mislabelled | RightlyLabelled)
        ]
        asked += [("fooled_by", of) for of in self.fooled_by]
        for name, of in asked:
            if not isinstance(self.sets.get(of), Built):
                raise NotbugsError(f"{self.name}: {name} takes a built set, which {of} is not")

    def _named_sets(self) -> list[str]:
        sets = self.sets.values()
        beside = [one.beside for one in sets if isinstance(one, Mixture)]
        return [
            *(one.on for one in self.models.values()), *(one.of for one in sets), *beside, *self.seen,
            *self.fooled_by,
        ]  # fmt: skip

    def _named_models(self) -> list[str]:
        probed = [one.of for one in self.models.values() if isinstance(one, Probed)]
        return [*probed, *self._named_to_answer()]

    def _named_to_answer(self) -> list[str]:
        """The models whose classes are asked for."""
        built = [one for one in self.sets.values() if isinstance(one, Built)]
        asked = [*self.seen.values(), *self.fooled_by.values()]
        return [
            *(model for one in built for model in (one.by, *one.others)),
            *(model for models in asked for model in models),
            *self.audited,
        ]


def _require_all(name: str, values: object, *kinds: type) -> None:
    """A sequence of such values; text is a sequence of letters, and never meant."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise NotbugsError(f"{name} must be a tuple or a list, got {repr(values)[:80]}")
    for value in values:
        require_kind(f"each of {name}", value, *kinds)


__all__ = ["Study"]
