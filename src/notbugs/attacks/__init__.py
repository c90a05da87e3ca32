"""Search inside a threat. Knows no model class, no data set and no disk."""

from notbugs.attacks.ascent import Keep, input_gradients, projected_ascent
from notbugs.attacks.attack import Attack
from notbugs.attacks.collision import Collision, feature_collision
from notbugs.attacks.nes import NES, EstimatedGradient
from notbugs.attacks.objectives import (
    LOSSES,
    EmbeddingMatch,
    LabelObjective,
    RowObjective,
    cross_entropy,
    margin,
)
from notbugs.attacks.pgd import PGD, parse_attack

__all__ = [
    "projected_ascent",
    "input_gradients",
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
    "NES",
    "EstimatedGradient",
    "feature_collision",
    "Collision",
]
