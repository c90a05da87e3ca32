"""Numbers that an audit must not fall below, for use where a program decides by the exit code."""

from collections.abc import Mapping, Sequence
from typing import Any

from notbugs.errors import NotbugsError
from notbugs.numerals import parse_number

_SECTIONS = {
    "robust_accuracy": "adversarial",
    "class": "adversarial",
    "filter": "frequency",
    "noise": "frequency",
    "heat": "frequency",
    "conflict": "reliance",
}
"""The section of numbers that do not begin with its name."""

_SHORT = {"clean": "clean_accuracy", "robust": "robust_accuracy"}


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """Metric names and the least values they may have, from texts like robust=0.4 or corruption.mean=0.6.

    >>> parse_limits(["robust=0.4"])
    {'robust_accuracy': 0.4}
    """
    limits = {}
    for text in texts:
        name, equals, least = text.partition("=")
        if not equals or not name:
            raise NotbugsError(f"--fail-under {text!r}: write it like robust=0.4 or corruption.mean=0.6")
        value = parse_number(least, "a limit")
        if not 0 <= value <= 1:
            raise NotbugsError(f"--fail-under {text!r}: accuracies lie between 0 and 1")
        limits[_SHORT.get(name, name)] = value
    return limits


def require_sections(limits: Mapping[str, float], sections: Sequence[str]) -> None:
    """Raise NotbugsError for a number that none of these sections will have, before any work."""
    for name in limits:
        first = name.partition(".")[0]
        section = _SECTIONS.get(first, first)
        if name != "clean_accuracy" and section not in sections:
            raise NotbugsError(
                f"--fail-under {name}: no such number in an audit of {', '.join(sections)}; write it like robust=0.4"
            )


def require_asked(limits: Mapping[str, float], options: Mapping[str, tuple[str, object]]) -> None:
    """Raise NotbugsError for a number that comes with an option, by how its name begins, which was not given."""
    for name in limits:
        for begins, (option, given) in options.items():
            if name.startswith(begins) and given is None:
                raise NotbugsError(f"--fail-under {name}: there is such a number with {option} only; give it")


def require_limits(result: Mapping[str, Any], limits: Mapping[str, float]) -> None:
    """End the program with exit code 1 and a line for each number that is lower, of any of the models.

    Raises NotbugsError for a number that the audit does not have.
    """
    metrics, several = result["metrics"], len(result["config"]["models"]) > 1
    low = []
    for name, least in limits.items():
        found = {key: value for key, value in metrics.items() if _is(name, key, several)}
        if not found:
            raise NotbugsError(
                f"--fail-under {name}: no such number in this audit; see result.json for their names"
            )
        low += [
            f"{name}{_of(key, result)} is {value:.4g}, below {least:.4g}"
            for key, value in found.items()
            if value < least
        ]
    if low:
        from notbugs.app.options import say

        for line in low:
            say(f"notbugs: {line}")
        raise SystemExit(1)


def _of(key: str, result: Mapping[str, Any]) -> str:
    """Which of several models a number is of."""
    models = result["config"]["models"]
    return f" of {models[int(key.partition('.')[0]) - 1]['named']}" if len(models) > 1 else ""


def _is(name: str, key: str, several: bool) -> bool:
    return (key.partition(".")[2] if several else key) == name


__all__ = ["parse_limits", "require_asked", "require_limits", "require_sections"]
