"""A study of all parts that takes seconds: what it measures means nothing."""

from dataclasses import replace

from notbugs import recipes
from notbugs.features import Answered, MatchEmbeddings, PushAlone, PushToTarget
from notbugs.study import (
    CHANCE,
    Built,
    First,
    Mislabelled,
    Mixture,
    More,
    Plot,
    Probed,
    RightlyLabelled,
    Study,
    Trained,
)
from notbugs.threats import L2
from notbugs.training import Contrast, TrainConfig


def miniature(*, batch_size: int = 128) -> Study:
    planted_study = recipes.planted()
    train = TrainConfig(epochs=2, lr=0.1, batch_size=batch_size)
    sets = recipes.four_sets(
        MatchEmbeddings(steps=2, step_size=0.5),
        recipes.targeted_attack(planted_study.threat, steps=2, step_size=0.25),
    )
    return replace(
        planted_study,
        arch="convnet-16-16-16-16",
        models={
            "standard": Trained(how=train),
            "robust": Trained(
                how=train.against(recipes.training_attack(planted_study.threat, steps=1, step_size=0.5))
            ),
            "brief": Trained(how=replace(train, epochs=1)),
            **recipes.students(train, "d_r", "d_nr", "d_rand", "d_det"),
        },
        sets={**sets, "d_det": replace(sets["d_det"], by="brief")},
        attack_steps=2,
        tested=40,
    )


def miniature_control() -> Study:
    """Every kind of part that a control may have, in seconds; its claims are about chance."""
    push = recipes.targeted_attack(L2(0.5), steps=2, step_size=0.25)
    train = TrainConfig(epochs=1, lr=0.1)
    pushed = PushToTarget(attack=push, targets="next")
    alone = PushAlone(threat=L2(0.5), steps=2, step_size=0.25, targets="random")
    models: dict[str, Trained | Probed] = {
        "standard": Trained(how=train),
        "other": Trained(how=train, arch="linear"),
        "encoder": Trained(how=replace(train, contrast=Contrast())),
        "det": Trained(how=train, on="det"),
        "alone": Trained(how=train, on="alone"),
        "poisoned": Trained(how=train, on="poisoned"),
        "mistakes": Trained(how=replace(train, batch_size=16), on="mistakes"),
        "half": Trained(how=train, on="half"),
        "few": Trained(how=replace(train, batch_size=25), on="few"),
        "read": Probed(of="encoder", on="det"),
        "read_logits": Probed(of="other", on="det", layer="logits"),
    }
    return Study(
        name="everything",
        question="Does everything run?",
        source="planted",
        arch="convnet-8-8-8-8",
        threat=L2(0.5),
        models=models,
        sets={
            "det": Built(builder=pushed, by="standard"),
            "alone": Built(builder=alone, by="standard", others=("other",)),
            "answered": Built(builder=Answered(), by="standard"),
            "det_test": Built(builder=pushed, by="standard", of="test"),
            "poisoned": RightlyLabelled(of="det"),
            "mistakes": Mislabelled(of="answered"),
            "half": Mixture(of="det", share=0.5),
            "few": First(count=50),
        },
        seen={"det_test": ("standard",)},
        fooled_by={"det_test": ("standard", "other")},
        audited=("standard",),
        suite="quick",
        step_counts=(1, 3),
        attack_steps=2,
        tested=40,
        titles={"read": "What the encoder sees", "det": "Student of D_det"},
        set_titles={"det_test": "D_det of the test images"},
        claims=(
            More(
                says="It is right now and then", more="other.clean", less=0.0, by=0.001, source="arithmetic",
                published="always",
            ),
            More(says="It is always right", more="standard.clean", less=0.999, source="nobody"),
            More(says="It is better than chance or not", more=CHANCE, less="standard.clean", source="nobody"),
        ),
        plots=(
            Plot(
                title="Steps", caption="A caption.", x="steps", y="accuracy, %", log="x",
                lines={"standard": [(1, "standard.steps_1"), (3, "standard.steps_3")]},
            ),
            Plot(
                title="One against the other", caption="", x="clean, %", y="turned, %", joined=False,
                lines={"other": [("other.clean", "other.fooled_by_det_test")]},
            ),
        ),
    )  # fmt: skip
