"""Studies: models, the sets that are built with them, students of those, and what they should show."""

from notbugs.study.claims import Claim, Correlated, More, Verdict
from notbugs.study.differences import CHANCE, Exact, correlation
from notbugs.study.parts import (
    DATA,
    TEST,
    Built,
    Derived,
    First,
    Mislabelled,
    Mixture,
    Probed,
    RightlyLabelled,
    Trained,
)
from notbugs.study.plot import Plot
from notbugs.study.running import open_study, rejudged, run_study
from notbugs.study.stages import Stages, budgets
from notbugs.study.study import Study

__all__ = [
    "CHANCE",
    "DATA",
    "TEST",
    "Built",
    "Claim",
    "Correlated",
    "Derived",
    "Exact",
    "First",
    "Mislabelled",
    "Mixture",
    "More",
    "Plot",
    "Probed",
    "RightlyLabelled",
    "Stages",
    "Study",
    "Trained",
    "Verdict",
    "budgets",
    "correlation",
    "open_study",
    "rejudged",
    "run_study",
]
