"""Search inside a threat. Knows no model class, no data set and no disk."""

from notbugs.attacks.ascent import Keep, projected_ascent
from notbugs.attacks.attack import Attack
from notbugs.attacks.carlini_wagner import CarliniWagner
from notbugs.attacks.fmn import FMN
from notbugs.attacks.multi_targeted import MultiTargeted
from notbugs.attacks.objectives import (
    LOSSES,
    EmbeddingMatch,
    LabelObjective,
    RowObjective,
    cross_entropy,
    margin,
)
from notbugs.attacks.pgd import PGD, parse_attack
from notbugs.attacks.spatial import Spatial, SpatialGrid

__all__ = [
    "projected_ascent",
    "Keep",
    "LabelObjective",
    "EmbeddingMatch",
    "RowObjective",
    "cross_entropy",
    "margin",
    "LOSSES",
    "Attack",
    "PGD",
    "parse_attack",
    "MultiTargeted",
    "FMN",
    "CarliniWagner",
    "Spatial",
    "SpatialGrid",
]
