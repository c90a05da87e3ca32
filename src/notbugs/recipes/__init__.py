"""Complete named studies and comparisons, ready to run."""

from notbugs.recipes.comparisons import COMPARISONS, critic, critic_of_photographs, filtered, spectrum
from notbugs.recipes.controls import CONTROLS
from notbugs.recipes.hyperparameters import FAST, PAPER, targeted_attack, training_attack
from notbugs.recipes.studies import (
    PUBLISHED,
    STUDIES,
    cifar10,
    digits,
    dog_vs_cat,
    four_sets,
    paper,
    photographs,
    planted,
    students,
)

__all__ = [
    "COMPARISONS",
    "CONTROLS",
    "FAST",
    "PAPER",
    "PUBLISHED",
    "STUDIES",
    "cifar10",
    "critic",
    "critic_of_photographs",
    "digits",
    "dog_vs_cat",
    "filtered",
    "four_sets",
    "paper",
    "photographs",
    "planted",
    "spectrum",
    "students",
    "targeted_attack",
    "training_attack",
]
