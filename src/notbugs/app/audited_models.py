"""What the sections of an audit's report are made from: the audited models, and the runs of each."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from notbugs.app.blocks import Entry, measured
from notbugs.data.labeled import LabeledImages
from notbugs.data.shifted import split_source
from notbugs.foreign import require_within
from notbugs.runs import Run
from notbugs.shifts import Shift


@final
@dataclass(frozen=True, kw_only=True)
class Audited:
    """A model: what it is called on the page, and the run of each of its sections with its result."""

    label: str
    stages: Mapping[str, Run]
    results: Mapping[str, dict[str, Any]]
    trained_under: Shift | None = None  # what its training images were put under, where that is known

    def entry(self, section: str, key: str) -> Entry:
        result = self.results[section]
        return measured(result["metrics"], result["intervals"], key)

    def value(self, section: str, key: str) -> float:
        return float(self.results[section]["metrics"][key])

    def interval(self, section: str, key: str) -> tuple[float, float]:
        low, high = self.results[section]["intervals"][key]
        return low, high


@final
@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that a section is made from. `originals`: the audited images, where they are at hand."""

    models: tuple[Audited, ...]
    originals: LabeledImages | None
    classes: int

    def having(self, section: str) -> tuple[Audited, ...]:
        return tuple(model for model in self.models if section in model.stages)


def audited_models(run: Run, result: Mapping[str, Any]) -> tuple[Audited, ...]:
    """The models of an audit, under names as short as tell them apart."""
    names = [one["named"] for one in result["config"]["models"]]
    sources = result["config"].get("comparison", {}).get("sources", {})
    found = []
    for name, label, stages in zip(names, short_names(names), result["stages"], strict=True):
        runs = {section: Run(require_within(run.path, path)) for section, path in stages.items()}
        found.append(
            Audited(
                label=label,
                stages=runs,
                results={section: one.result for section, one in runs.items()},
                trained_under=split_source(sources.get(name, ""))[1],
            )
        )
    return tuple(found)


def leads(findings: Sequence[str], *, models: int) -> list[str]:
    """What the head of the page says of a section: of one model what was found first; of several how the second one
    and the last differ from the first.
    """
    if models == 1:
        return list(findings[:1])
    said = [sentence for sentence in findings if sentence.startswith(COMPARES)]
    return list(dict.fromkeys([*said[:1], *said[-1:]]))


def whose(label: str, models: Sized) -> str:
    """How a sentence about one of the models begins; a single one goes without saying."""
    return f"{label}: " if len(models) > 1 else ""


def titled(title: str, label: str, models: Sized) -> str:
    """A title about one of the models; a single one goes without saying."""
    return f"{title}, {label}" if len(models) > 1 else title


COMPARES = "Against "
"""How a sentence begins that sets a model against the first one."""


def short_names(names: list[str]) -> list[str]:
    """The last part of each path, with as many parts before it as tell all apart.

    >>> short_names(["runs/a/model.safetensors", "runs/b/model.safetensors"]), short_names(["mine:make"])
    (['a/model.safetensors', 'b/model.safetensors'], ['mine:make'])
    """
    parts = [Path(name).parts for name in names]
    for count in range(1, max(map(len, parts)) + 1):
        short = ["/".join(one[-count:]) for one in parts]
        if len(set(short)) == len(names):
            return short
    return names


__all__ = ["COMPARES", "Audited", "Page", "audited_models", "leads", "short_names", "titled", "whose"]
