"""(model, data) -> a frozen result that carries its threat, its attacks, its n and its interval."""

from notbugs.audits.adversarial import (
    AdversarialAudit,
    audit,
    default_attacks,
    predictions,
    search,
    surviving,
)
from notbugs.audits.measures import measure, measure_name
from notbugs.audits.proportion import Proportion

__all__ = [
    "audit",
    "AdversarialAudit",
    "Proportion",
    "default_attacks",
    "measure",
    "measure_name",
    "predictions",
    "search",
    "surviving",
]
