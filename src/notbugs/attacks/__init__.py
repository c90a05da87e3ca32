"""Search inside a threat. Knows no model class, no data set and no disk."""

from notbugs.attacks.apgd import APGD, APGDTargeted
from notbugs.attacks.ascent import Keep, input_gradients, projected_ascent
from notbugs.attacks.attack import Attack
from notbugs.attacks.carlini_wagner import CarliniWagner
from notbugs.attacks.collision import Collision, feature_collision
from notbugs.attacks.fab import FAB
from notbugs.attacks.fmn import FMN
from notbugs.attacks.multi_targeted import MultiTargeted
from notbugs.attacks.nes import NES, EstimatedGradient
from notbugs.attacks.objectives import (
    LOSSES,
    EmbeddingMatch,
    LabelObjective,
    RowObjective,
    TargetedObjective,
    cross_entropy,
    dlr,
    embedding_of,
    margin,
    targeted_dlr,
    targeted_margin,
)
from notbugs.attacks.pgd import PGD, parse_attack
from notbugs.attacks.spatial import Spatial, SpatialGrid
from notbugs.attacks.square import Square

__all__ = [
    "projected_ascent",
    "input_gradients",
    "Keep",
    "LabelObjective",
    "TargetedObjective",
    "EmbeddingMatch",
    "embedding_of",
    "RowObjective",
    "cross_entropy",
    "margin",
    "dlr",
    "targeted_margin",
    "targeted_dlr",
    "LOSSES",
    "Attack",
    "PGD",
    "APGD",
    "APGDTargeted",
    "parse_attack",
    "NES",
    "EstimatedGradient",
    "feature_collision",
    "Collision",
    "FAB",
    "Square",
    "MultiTargeted",
    "FMN",
    "CarliniWagner",
    "Spatial",
    "SpatialGrid",
]
