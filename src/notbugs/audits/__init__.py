"""(model, data) -> a frozen result that carries its threat, its attacks, its n and its interval."""

from notbugs.audits.adversarial import AdversarialAudit, audit
from notbugs.audits.cascade import STANDS, WRONG, cascade, propose
from notbugs.audits.flag import Flag
from notbugs.audits.measures import audit_name, fooled_by, measure, measure_name, step_counts
from notbugs.audits.outcomes import Outcome, cascade_outcomes, suspicions
from notbugs.audits.regions import RegionMap, region_map
from notbugs.audits.sanity import check
from notbugs.audits.shifted import Difference, Mean, ShiftAudit, difference, shifted
from notbugs.audits.spectral import HeatMap, heat_map, spectral_sensitivity
from notbugs.audits.suites import SUITES, default_attacks, nearest_attack, suite_attacks
from notbugs.audits.swapping import Moved, moved_region
from notbugs.audits.views import Views, predictions, quick_predictions, views_of
from notbugs.proportion import Proportion

__all__ = [
    "audit",
    "shifted",
    "ShiftAudit",
    "Mean",
    "difference",
    "Difference",
    "region_map",
    "RegionMap",
    "moved_region",
    "Moved",
    "heat_map",
    "HeatMap",
    "spectral_sensitivity",
    "Views",
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
    "step_counts",
    "fooled_by",
    "nearest_attack",
    "predictions",
    "quick_predictions",
    "propose",
    "suite_attacks",
    "suspicions",
    "views_of",
]
