"""(model, data) -> a frozen result that carries its threat, its attacks, its n and its interval."""

from notbugs.audits.adversarial import AdversarialAudit, audit
from notbugs.audits.cascade import STANDS, WRONG, cascade, predictions, propose, views_of
from notbugs.audits.flag import Flag
from notbugs.audits.measures import audit_name, measure, measure_name
from notbugs.audits.outcomes import Outcome, cascade_outcomes, suspicions
from notbugs.audits.proportion import Proportion
from notbugs.audits.sanity import check
from notbugs.audits.suites import SUITES, default_attacks, nearest_attack, suite_attacks

__all__ = [
    "audit",
    "AdversarialAudit",
    "Flag",
    "Outcome",
    "Proportion",
    "STANDS",
    "SUITES",
    "WRONG",
    "cascade",
    "cascade_outcomes",
    "check",
    "default_attacks",
    "measure",
    "measure_name",
    "audit_name",
    "nearest_attack",
    "predictions",
    "propose",
    "suite_attacks",
    "suspicions",
    "views_of",
]
