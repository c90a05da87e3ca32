"""How much of what D_rand and D_det teach is in robust features that leaked into them."""

from dataclasses import replace

from notbugs.data.augment import Augmentation
from notbugs.features import PushToTarget
from notbugs.recipes.controls.setting import ARCH, DECAYED, GOH, ILYAS, LARGER, PUSH, SLOW, TEN, THREAT
from notbugs.recipes.hyperparameters import training_attack
from notbugs.study import CHANCE, Built, More, Probed, Study, Trained

STUDENTS = {
    "d_rand": replace(SLOW, augment=Augmentation()),
    "d_det": replace(DECAYED, lr=0.1, augment=Augmentation()),
}
"""What the push wrote is fine: of images that are shifted and turned a student of D_rand learns next to nothing."""


def leakage() -> Study:
    """`notbugs study leakage`: can the labels of D_rand and D_det be read off robust features alone?

    The robust features are those of an adversarially trained linear model; another linear classifier reads them. All
    ten classes: of two, D_rand is read by one number, whose sign is that of a few labels drawn by chance.
    Expect a little from D_rand, where small robust changes all point to the label, and less than chance from D_det,
    where the robust features of the old label are stronger.
    """
    sets = {
        "d_rand": Built(builder=PushToTarget(attack=PUSH, targets="random"), by="standard"),
        "d_det": Built(builder=PushToTarget(attack=PUSH, targets="next"), by="standard"),
    }
    linear = replace(LARGER, lr=0.02).against(training_attack(THREAT, steps=3, step_size=0.25))
    return Study(
        name="leakage",
        question="How much of what D_rand and D_det teach is in robust features that leaked into them?",
        source=TEN,
        arch=ARCH,
        threat=THREAT,
        models={
            "standard": Trained(how=LARGER),
            "linear": Trained(how=linear, arch="linear"),
            **{name: Trained(how=how, on=name) for name, how in STUDENTS.items()},
            "read_rand": Probed(of="linear", on="d_rand", layer="logits"),
            "read_det": Probed(of="linear", on="d_det", layer="logits"),
        },
        sets=sets,
        titles={
            "linear": "Robust linear model",
            "read_rand": "D_rand, read off robust features",
            "read_det": "D_det, read off robust features",
        },
        claims=(
            More(
                says="Robust features leak into D_rand: what is read off them is right more often than guessing",
                more="read_rand.clean",
                less=CHANCE,
                published="23.5 %",
                source=GOH,
            ),
            More(
                says="But they do not account for all that D_rand teaches",
                more="d_rand.clean",
                less="read_rand.clean",
                published="63.3 against 23.5 %",
                source=f"{GOH}; {ILYAS}, table 1",
            ),
            More(
                says="D_det teaches the true labels too",
                more="d_det.clean",
                less=CHANCE,
                published="43.7 %",
                source=f"{ILYAS}, table 1",
            ),
            More(
                says="Nothing leaks into D_det: what is read off them is right less often than guessing",
                more=CHANCE,
                less="read_det.clean",
                published="6.8 %",
                source=GOH,
            ),
        ),
        duration="an hour and a quarter on 2 cores",
    )


__all__ = ["leakage"]
