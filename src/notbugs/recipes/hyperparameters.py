"""How the recipes train and attack: the field's usual hyperparameters, under names."""

from dataclasses import replace

from notbugs.attacks import PGD
from notbugs.data.augment import Augmentation
from notbugs.threats import L2, Threat
from notbugs.training import TrainConfig

FAST = TrainConfig(epochs=14, lr=0.2, augment=Augmentation(flip=True, translate=4))
"""A short one-cycle training for 32-pixel photographs, of any network of the zoo."""

LONG = replace(FAST, epochs=28, average=0.995)
"""Twice as long, of ten thousand images, with the average of the last weights."""

WRONGLY_LABELLED = replace(FAST, epochs=28, lr=0.05, weight_decay=5e-3, label_smoothing=0.2)
"""For images whose labels are all wrong: the misleading robust features are learned first and the sound ones late, so
a low rate, a strong decay, and no average that reaches back.
"""

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


FAR_PUSH = targeted_attack(L2(2.0), steps=12, step_size=0.4)
"""Four times the usual budget, in few steps: what a small network's adversarial images teach is then truest."""


__all__ = ["FAR_PUSH", "FAST", "LONG", "PAPER", "WRONGLY_LABELLED", "targeted_attack", "training_attack"]
