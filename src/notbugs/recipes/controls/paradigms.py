"""Whether what the built sets teach is also found by a network that learns from their images without labels."""

from dataclasses import replace

from notbugs.data.augment import Augmentation
from notbugs.recipes.controls.setting import ADVERSARY, ILYAS, LARGER, MATCH, PUSH, PUSHED, SMALL, TEN, THREAT
from notbugs.recipes.hyperparameters import FAST
from notbugs.recipes.studies import four_sets
from notbugs.study import CHANCE, More, Probed, Study, Trained
from notbugs.training import Contrast

LI = "A. Li et al., NeurIPS 2023: Adversarial Examples Are Not Real Features"
UNLABELLED = replace(
    FAST,
    epochs=20,
    batch_size=512,
    weight_decay=1e-4,
    contrast=Contrast(temperature=0.5),
    augment=Augmentation(flip=True, crop=0.25, colour=0.4),
)
"""SimCLR in short: 20 epochs for its hundreds, no turned hues, a linear projection."""


def paradigms() -> Study:
    """`notbugs study paradigms`: representations learned without labels on each built set, read by a linear probe.

    Expect D_NR to lose more than D_R where labels are missing: its features are those that labels made a network
    find. D_rand and D_det are images as they were but for a push; the encoder of the data reads them.
    """
    encoded = ("data", "d_r", "d_nr")
    return Study(
        name="paradigms",
        question="Are non-robust features features for a network that learns without labels too?",
        source=TEN,
        arch=SMALL,
        threat=THREAT,
        models={
            "standard": Trained(how=LARGER),
            "robust": Trained(how=LARGER.against(ADVERSARY)),
            **{name: Trained(how=LARGER, on=name) for name in ("d_r", "d_nr")},
            **{name: Trained(how=how, on=name) for name, how in PUSHED.items()},
            **{f"encoder_{name}": Trained(how=UNLABELLED, on=name) for name in encoded},
            **{f"read_{name}": Probed(of=f"encoder_{name}", on=name) for name in encoded},
            **{f"read_{name}": Probed(of="encoder_data", on=name) for name in PUSHED},
        },
        sets=four_sets(MATCH, PUSH),
        titles={
            "encoder_data": "Encoder, without labels, of the data",
            "encoder_d_r": "Encoder, without labels, of D_R",
            "encoder_d_nr": "Encoder, without labels, of D_NR",
            "read_data": "Probe of the encoder of the data",
            "read_d_r": "Probe of the encoder of D_R",
            "read_d_nr": "Probe of the encoder of D_NR",
            "read_d_rand": "Probe of the data’s encoder on D_rand",
            "read_d_det": "Probe of the data’s encoder on D_det",
        },
        claims=(
            More(
                says="With labels, a student of D_NR is at most 5 points less accurate than one of D_R",
                more="d_nr.clean",
                less="d_r.clean",
                by=-0.05,
                published="87.7 against 85.4 %",
                source=f"{ILYAS}, table 7",
            ),
            More(
                says="Without labels, what is learned of D_NR is worth less than what is learned of D_R",
                more="read_d_r.clean",
                less="read_d_nr.clean",
                published="non-robust features become largely useless",
                source=LI,
            ),
            More(
                says="From the data to D_NR more is lost without labels than with them",
                more="read_data.clean",
                less="read_d_nr.clean",
                beyond=("standard.clean", "d_nr.clean"),
                published="non-robust features become largely useless",
                source=LI,
            ),
            More(
                says="Without labels a probe still learns something of the real classes from D_rand",
                more="read_d_rand.clean",
                less=CHANCE,
                source="not published",
            ),
        ),
        duration="an hour and a half on 2 cores",
    )


__all__ = ["paradigms"]
