"""Complete decompositions of a data set, each with its command, its duration and the numbers to expect."""

from collections.abc import Callable
from dataclasses import replace

from notbugs.attacks import PGD
from notbugs.data.augment import Augmentation
from notbugs.features import MatchEmbeddings, PushToTarget
from notbugs.recipes.hyperparameters import (
    FAR_PUSH,
    FAST,
    LONG,
    PAPER,
    WRONGLY_LABELLED,
    targeted_attack,
    training_attack,
)
from notbugs.study import Built, Study, Trained
from notbugs.threats import L2
from notbugs.training import TrainConfig

FOUR = ("d_r", "d_nr", "d_rand", "d_det")


def four_sets(match: MatchEmbeddings, push: PGD) -> dict[str, Built]:
    """The four data sets of the paper: D_R with the robust model, the others with the standard one."""
    return {
        "d_r": Built(builder=replace(match, kind="robust"), by="robust"),
        "d_nr": Built(builder=replace(match, kind="nonrobust"), by="standard"),
        "d_rand": Built(builder=PushToTarget(attack=push, targets="random"), by="standard"),
        "d_det": Built(builder=PushToTarget(attack=push, targets="next"), by="standard"),
    }


def students(how: TrainConfig, *sets: str, **otherwise: TrainConfig) -> dict[str, Trained]:
    """A student for each set, named like it; trained alike, but for those that `otherwise` names."""
    return {name: Trained(how=otherwise.get(name, how), on=name) for name in sets}


def planted() -> Study:
    """`notbugs study`: images with planted features, where the right answers are known.

    About 2 minutes on 2 cores. Expect the robust model and the D_R student to follow the robust feature (about
    0.90 clean), the D_NR and D_rand students to follow the non-robust one (about 0.97 clean, 0 under attack).
    """
    threat = L2(0.5)
    # The weight decay and the noise make the standard model use the planted pattern rather than accidents of its
    # weights: without them its adversarial images hold little of the pattern, and D_rand teaches nothing.
    train = TrainConfig(epochs=10, lr=0.1, weight_decay=2e-2, augment=Augmentation(noise=0.02))
    match = MatchEmbeddings(steps=50, step_size=0.3)
    return Study(
        name="planted",
        source="planted",
        arch="convnet",
        threat=threat,
        models={
            "standard": Trained(how=train),
            "robust": Trained(
                how=replace(train, epochs=6, augment=Augmentation()).against(
                    training_attack(threat, steps=3, step_size=0.25)
                )
            ),
            **students(replace(train, augment=Augmentation()), *FOUR),
        },
        # The shorter steps of D_NR change what is cheap to change, the pattern, and leave the other image's shape.
        sets={
            **four_sets(match, targeted_attack(threat, steps=20, step_size=0.1)),
            "d_nr": Built(builder=MatchEmbeddings(kind="nonrobust", steps=40, step_size=0.1), by="standard"),
        },
        audited=("d_r",),
        tested=1000,
        duration="2 minutes on 2 cores",
    )


def digits() -> Study:
    """`notbugs study digits`: 1 297 handwritten digits in the package. About 2 minutes on 2 cores."""
    base = planted()
    train = TrainConfig(epochs=30, lr=0.1, augment=Augmentation(translate=2))
    threat = L2(2.0)
    return replace(
        base,
        name="digits",
        source="digits",
        threat=threat,
        models={
            "standard": Trained(how=train),
            "robust": Trained(
                how=replace(train, epochs=20).against(training_attack(threat, steps=5, step_size=0.6))
            ),
            **students(train, *FOUR),
        },
        sets=four_sets(
            MatchEmbeddings(steps=50, step_size=0.5), targeted_attack(threat, steps=20, step_size=0.3)
        ),
        duration="2 minutes on 2 cores",
    )


def dog_vs_cat() -> Study:
    """`notbugs study dog-vs-cat`: the talk's experiment on CIFAR-10, every training image under the wrong label.

    About 10 minutes on 2 cores. Expect the D_det student near 0.67 on the true labels of the test set, though it
    never saw a right one; at eps / 2 the D_R student well above the standard model, and the D_NR student below it.
    """
    threat = L2(0.5)
    match = MatchEmbeddings(steps=40, step_size=0.25)
    return Study(
        name="dog-vs-cat",
        source="cifar10:cat,dog",
        arch="convnet-64-128-128-128",
        threat=threat,
        models={
            "standard": Trained(how=replace(FAST, epochs=28)),
            # At eps / 2: against the whole budget so small a network learns little, and is less robust even there.
            "robust": Trained(
                how=LONG.against(training_attack(threat.scaled(0.5), steps=2, step_size=0.175))
            ),
            # Trained for half as long it is less accurate, and what its adversarial images teach is truer (LOG.md).
            "brief": Trained(how=FAST),
            **students(LONG, "d_r", "d_nr", "d_det", d_det=WRONGLY_LABELLED),
        },
        sets={
            "d_r": Built(builder=match, by="robust"),
            "d_nr": Built(builder=replace(match, kind="nonrobust"), by="standard"),
            "d_det": Built(builder=PushToTarget(attack=FAR_PUSH, targets="next"), by="brief"),
        },
        audited=("d_r",),
        duration="10 minutes on 2 cores",
        published={"d_det.clean": 0.78},
        published_in="A. Madry, Are All Features Created Equal? (talk); no hyperparameters are known",
    )


def photographs() -> Study:
    """`notbugs study --data folder:PATH`: any small photographs, with the four data sets."""
    base = dog_vs_cat()
    match = MatchEmbeddings(steps=40, step_size=0.25)
    return replace(
        base,
        name="photographs",
        source="",
        arch="wrn-10-2",
        models={
            "standard": Trained(how=FAST),
            "robust": base.models["robust"],
            **students(LONG, *FOUR),
        },
        sets=four_sets(match, targeted_attack(base.threat, steps=20, step_size=0.1)),
        published={},
        published_in="",
        duration="",
    )


PUBLISHED = {
    "standard.clean": 0.9525, "standard.l2_0.25": 0.0449, "standard.l2_0.5": 0.0,
    "robust.clean": 0.9083, "robust.l2_0.25": 0.8248, "robust.l2_0.5": 0.7090,
    "d_r.clean": 0.8540, "d_r.l2_0.25": 0.4820, "d_r.l2_0.5": 0.2185,
    "d_nr.clean": 0.8768, "d_nr.l2_0.25": 0.0082, "d_nr.l2_0.5": 0.0,
    "d_rand.clean": 0.633, "d_det.clean": 0.437, "d_det.relabelled": 0.162,
}  # fmt: skip
"""Ilyas et al. 2019, tables 1, 7 and 10: ResNet-50, CIFAR-10, L2, PGD of 7 steps."""


def cifar10() -> Study:
    """`notbugs study cifar10`: tables 1, 7 and 10 of the paper in a fast preset, meant for an accelerator."""
    threat = L2(0.5)
    train = TrainConfig(epochs=30, lr=0.2, batch_size=256, augment=Augmentation(flip=True, translate=4))
    low = replace(train, lr=0.05)
    return Study(
        name="cifar10",
        source="cifar10",
        arch="resnet18",
        threat=threat,
        models={
            "standard": Trained(how=train),
            "robust": Trained(how=train.against(training_attack(threat, steps=7, step_size=0.1))),
            **students(train, *FOUR, d_rand=low, d_det=replace(train, augment=Augmentation())),
        },
        sets=four_sets(
            MatchEmbeddings(steps=200, step_size=0.25), targeted_attack(threat, steps=50, step_size=0.1)
        ),
        audited=("d_r",),
        tested=10_000,
        duration="15 minutes of one H100",
        published=PUBLISHED,
        published_in="Ilyas et al. 2019, tables 1, 7, 10 (ResNet-50)",
    )


def paper() -> Study:
    """`notbugs study cifar10 --recipe paper`: the paper's own hyperparameters (appendix C). Hours of a large GPU."""
    threat = L2(0.5)
    low = replace(PAPER, lr=0.01)
    return replace(
        cifar10(),
        name="cifar10-paper",
        arch="resnet50",
        models={
            "standard": Trained(how=PAPER),
            "robust": Trained(how=PAPER.against(training_attack(threat, steps=7, step_size=0.1))),
            **students(PAPER, *FOUR, d_rand=low, d_det=replace(PAPER, augment=Augmentation())),
        },
        sets=four_sets(
            MatchEmbeddings(steps=1000, step_size=0.1), targeted_attack(threat, steps=100, step_size=0.1)
        ),
        duration="hours of one H100",
    )


STUDIES: dict[str, Callable[[], Study]] = {
    "planted": planted,
    "digits": digits,
    "dog-vs-cat": dog_vs_cat,
    "cifar10": cifar10,
    "paper": paper,
    "photographs": photographs,
}


__all__ = [
    "PUBLISHED",
    "STUDIES",
    "cifar10",
    "digits",
    "dog_vs_cat",
    "four_sets",
    "paper",
    "photographs",
    "planted",
    "students",
]
