"""(model, data) -> a frozen result that carries its threat, its attacks, its n and its interval."""

from notbugs.audits.adversarial import (
    AdversarialAudit,
    audit,
    default_attacks,
    predictions,
    search,
    surviving,
)
from notbugs.audits.flag import Flag
from notbugs.audits.measures import measure, measure_name
from notbugs.audits.outcomes import Outcome, cascade_outcomes, suspicions
from notbugs.audits.proportion import Proportion
from notbugs.audits.sanity import check

__all__ = [
    "audit",
    "AdversarialAudit",
    "Proportion",
    "check",
    "Flag",
    "Outcome",
    "cascade_outcomes",
    "suspicions",
    "default_attacks",
    "measure",
    "measure_name",
    "predictions",
    "search",
    "surviving",
]
