"""The theory taught: each claim with its formula beside an experiment."""

from collections.abc import Callable

from notbugs.lessons.accurate_and_robust import accurate_and_robust_lesson
from notbugs.lessons.gaussian import gaussian_lesson
from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series
from notbugs.lessons.perturbations import perturbations_lesson
from notbugs.lessons.sample_complexity import sample_complexity_lesson
from notbugs.lessons.squares import squares_lesson
from notbugs.lessons.tradeoff import tradeoff_lesson
from notbugs.lessons.useful_features import useful_features_lesson

LESSONS: dict[str, Callable[..., Lesson]] = {
    "useful-features": useful_features_lesson,
    "gaussian": gaussian_lesson,
    "accurate-and-robust": accurate_and_robust_lesson,
    "tradeoff": tradeoff_lesson,
    "sample-complexity": sample_complexity_lesson,
    "perturbations": perturbations_lesson,
    "squares": squares_lesson,
}
"""By name, in the order of a first reading; each is given a seed, and a progress to tell."""

__all__ = ["LESSONS", "Chart", "Check", "Lesson", "Panel", "Series"]
