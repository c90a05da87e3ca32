"""(model, data) -> a frozen result that carries its threat, its attacks, its n and its interval."""

from notbugs.audits.adversarial import AdversarialAudit, audit
from notbugs.audits.cascade import STANDS, WRONG, cascade, predictions, search
from notbugs.audits.measures import measure, measure_name
from notbugs.audits.proportion import Proportion
from notbugs.audits.suites import SUITES, default_attacks, nearest_attack, suite_attacks

__all__ = [
    "audit",
    "AdversarialAudit",
    "Proportion",
    "STANDS",
    "SUITES",
    "WRONG",
    "cascade",
    "default_attacks",
    "measure",
    "measure_name",
    "nearest_attack",
    "predictions",
    "search",
    "suite_attacks",
]
