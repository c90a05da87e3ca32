"""A study of all parts that takes seconds: what it measures means nothing."""

from dataclasses import replace

from notbugs import recipes
from notbugs.features import MatchEmbeddings
from notbugs.study import Study, Trained
from notbugs.training import TrainConfig


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
