"""What the controls have in common: images, network, budget, how models are trained and images pushed.

Dogs and cats of CIFAR-10, and networks that two cores can train. Of two classes y + 1 is the other one: what is
right on shifted labels is wrong on the true ones, and guessing gives 50 %. What two classes cannot show takes all
ten, and the smaller network.
"""

from dataclasses import replace

from notbugs.features import MatchEmbeddings
from notbugs.recipes.hyperparameters import FAST, targeted_attack, training_attack
from notbugs.study import Trained
from notbugs.threats import L2

SOURCE = "cifar10:cat,dog"
ARCH, SMALL = "wrn-10-2", "convnet-64-128-128-128"
"""The usual network, and one several times as fast for what takes many trainings."""
THREAT = L2(0.5)
HALF = "l2_0.25"

DECAYED = replace(FAST, weight_decay=5e-3)
"""For wrong labels: with ten times the usual decay the misleading robust features weigh less."""

SLOW = replace(FAST, lr=0.05)
"""For random labels, of which nothing is learned at the usual rate."""

TEN = "cifar10"
LARGER = replace(FAST, batch_size=256)
"""For all ten classes: five times the images."""
PUSHED = {
    name: replace(how, batch_size=LARGER.batch_size) for name, how in (("d_rand", SLOW), ("d_det", DECAYED))
}
"""How the students of D_rand and D_det are trained there."""

# Against the whole budget so small a network learns little, and is less robust even at half of it.
ADVERSARY = training_attack(THREAT.scaled(0.5), steps=2, step_size=0.175)
MATCH = MatchEmbeddings(steps=40, step_size=0.25)
PUSH = targeted_attack(THREAT, steps=12, step_size=0.1)

STANDARD = Trained(how=FAST)
ROBUST = Trained(how=FAST.against(ADVERSARY))

ILYAS = "Ilyas et al. 2019"
GOH = "G. Goh, Distill 2019: Robust Feature Leakage"
NAKKIRAN = "P. Nakkiran, Distill 2019: Adversarial Examples are Just Bugs, Too"
WALLACE = "E. Wallace, Distill 2019: Learning from Incorrectly Labeled Data"

__all__ = [
    "ADVERSARY", "ARCH", "DECAYED", "GOH", "HALF", "ILYAS", "LARGER", "MATCH", "NAKKIRAN", "PUSH", "PUSHED", "ROBUST",
    "SLOW", "SMALL", "SOURCE", "STANDARD", "TEN", "THREAT", "WALLACE",
]  # fmt: skip
