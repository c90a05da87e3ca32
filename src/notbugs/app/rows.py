"""What the result of a study says: a row per model, a cell per measure. The table and the report print it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from notbugs.app.naming import budget_text, model_title
from notbugs.audits import Difference, audit_name, measure_name
from notbugs.threats import Threat, parse_threat

PLANTED = {"follows_robust": "robust shape", "follows_nonrobust": "non-robust pattern"}


@final
@dataclass(frozen=True, kw_only=True)
class Measure:
    """A column: the last part of its metrics' names, a heading, and what was done to measure it."""

    key: str
    title: str
    how: str
    attacked: bool = False
    audit: bool = False
    set: str = ""  # measured on this set, where that is not the test images


@final
@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number with its interval, and the number that it should be held against, where there is one."""

    value: float
    interval: tuple[float, float]
    n: int | None
    reference: float | None = None
    source: str = ""  # "paper" or "closed form"
    between: tuple[float, float] | None = None  # what the two single-feature students would score

    @property
    def beyond(self) -> float:
        """How far the value lies above (positive) or below the reference, or the nearer end of the range."""
        low, high = self.between or (self.reference, self.reference)
        if low is None or high is None:
            return 0.0
        return min(self.value - low, 0.0) + max(self.value - high, 0.0)

    @property
    def agrees(self) -> bool:
        """Whether the interval holds the reference, or touches the range; without either it agrees with all."""
        low, high = self.between or (self.reference, self.reference)
        if low is None or high is None:
            return True
        # Published numbers are rounded to a tenth of a percent or finer.
        return self.interval[0] - 5e-4 <= high and low <= self.interval[1] + 5e-4


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One model."""

    key: str
    name: str
    cells: Mapping[str, Cell]


def study_measures(result: Mapping[str, Any]) -> tuple[Measure, ...]:
    """The columns that this study has, in order."""
    measured = {name.partition(".")[2] for name in result["metrics"]}
    columns = [Measure(key="clean", title="Clean", how=f"test images as they are{_count(result, 'clean')}")]
    threat = parse_threat(result["config"]["study"]["threat"])
    for budget in (threat.scaled(0.5), threat):
        key = measure_name(budget)
        columns.append(
            Measure(
                key=key,
                title=f"Under attack, {budget_text(str(budget))}",
                how=f"{attack_text(result)}{_count(result, key)}",
                attacked=True,
            )
        )
    for budget in (threat.scaled(0.5), threat):
        key = audit_name(budget)
        columns.append(
            Measure(
                key=key,
                title=f"Audit, {budget_text(str(budget))}",
                how=f"the attacks of “notbugs audit --attacks {result['config']['study'].get('suite', '')}” as well"
                f"{_count(result, key)}",
                audit=True,
            )
        )
    columns.append(
        Measure(
            key="relabelled",
            title="Relabelled",
            how=f"clean, against the label y + 1{_count(result, 'relabelled')}",
        )
    )
    columns.append(
        Measure(
            key="preceding",
            title="Preceding",
            how=f"clean, against the label y − 1{_count(result, 'preceding')}",
        )
    )
    for feature, what in PLANTED.items():
        columns.append(
            Measure(
                key=feature,
                title=f"Follows {what}",
                how=f"gives the class of its {what.split()[-1]}{_count(result, feature)}",
            )
        )
    for of, _ in result.get("sets", ()):
        columns += _on_set(result, of, threat)
    return tuple(column for column in columns if column.key in measured)


def _on_set(result: Mapping[str, Any], of: str, threat: Threat) -> list[Measure]:
    """The columns about another set than the test images."""
    key = f"on_{of}"
    columns = [Measure(key=key, title="Clean", how=f"as they are{_count(result, key)}", set=of)]
    for budget in (threat.scaled(0.5), threat):
        under = f"{key}_{measure_name(budget)}"
        columns.append(
            Measure(
                key=under,
                title=f"Under attack, {budget_text(str(budget))}",
                how=f"{attack_text(result)}{_count(result, under)}",
                set=of,
            )
        )
    return [
        *columns,
        Measure(key=f"fooled_by_{of}", title="Fooled", how="of those that it has right", set=of),
    ]


def study_rows(result: Mapping[str, Any]) -> tuple[Row, ...]:
    """The models of a study, in its order."""
    rows = []
    for key, _ in result["models"]:
        cells = {
            metric.partition(".")[2]: _cell(result, metric)
            for metric in result["metrics"]
            if metric.startswith(f"{key}.")
        }
        if cells:
            rows.append(Row(key=key, name=model_title(result, key), cells=cells))
    return tuple(rows)


def attack_text(result: Mapping[str, Any]) -> str:
    """The attacks of a robust accuracy in words: PGD, steps, losses."""
    steps = result["config"]["study"]["attack_steps"]
    losses = ["margin" if "-margin" in attack else "cross-entropy" for attack in result["attacks"]]
    return f"PGD, {steps} steps, on {' then '.join(losses)}"


def percent(value: float) -> str:
    """A fraction as a percentage with one decimal, without the sign."""
    return f"{100 * value:.1f}"


def points(gain: Difference) -> str:
    """A difference of accuracies, in points, with its interval."""
    low, high = gain.interval
    return f"{100 * gain.value:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"


def _count(result: Mapping[str, Any], measure: str) -> str:
    counts = {n for name, n in result.get("counts", {}).items() if name.endswith(f".{measure}")}
    return f", n = {counts.pop()}" if len(counts) == 1 else ""


def _cell(result: Mapping[str, Any], metric: str) -> Cell:
    value = float(result["metrics"][metric])
    low, high = result.get("intervals", {}).get(metric, (value, value))
    reference, source = result.get("published", {}).get(metric), "paper"
    if reference is None:
        reference, source = result.get("expected", {}).get(metric), "closed form"
    between = result.get("between", {}).get(metric)
    return Cell(
        value=value,
        interval=(float(low), float(high)),
        n=result.get("counts", {}).get(metric),
        reference=None if reference is None else float(reference),
        source=source if reference is not None else "",
        between=(float(between[0]), float(between[1])) if between and reference is None else None,
    )
