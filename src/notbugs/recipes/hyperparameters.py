"""How the recipes train and attack: the field's usual hyperparameters, under names."""

from notbugs.attacks import PGD
from notbugs.data.augment import Augmentation
from notbugs.threats import Threat
from notbugs.training import TrainConfig

FAST = TrainConfig(epochs=14, lr=0.2, augment=Augmentation(flip=True, translate=4))
"""A short one-cycle training for 32-pixel photographs, of any network of the zoo."""

PAPER = TrainConfig(
    epochs=150, lr=0.1, batch_size=128, schedule="step", augment=Augmentation(flip=True, translate=4)
)
"""Ilyas et al. 2019, table 3 and appendix C.3 (their colour jitter and 2 degree rotation left out)."""


def training_attack(threat: Threat, *, steps: int, step_size: float) -> PGD:
    """The adversary of adversarial training: from the image itself, all steps, the last iterate."""
    return PGD(threat=threat, steps=steps, step_size=step_size, random_start=False, keep="last")


def targeted_attack(threat: Threat, *, steps: int, step_size: float) -> PGD:
    """The adversary that builds D_rand and D_det: from the image itself, all steps toward the target."""
    return PGD(
        threat=threat, steps=steps, step_size=step_size, targeted=True, random_start=False, keep="last"
    )


__all__ = ["FAST", "PAPER", "targeted_attack", "training_attack"]
