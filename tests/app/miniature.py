"""A study of all parts that takes seconds: what it measures means nothing."""

from dataclasses import replace

from notbugs import recipes
from notbugs.features import MatchEmbeddings
from notbugs.study import Study
from notbugs.training import TrainConfig


def miniature(*, batch_size: int = 128) -> Study:
    planted_study = recipes.planted()
    train = TrainConfig(epochs=2, lr=0.1, batch_size=batch_size)
    return replace(
        planted_study,
        arch="convnet-16-16-16-16",
        teachers={
            "standard": train,
            "robust": train.against(recipes.training_attack(planted_study.threat, steps=1, step_size=0.5)),
            "brief": replace(train, epochs=1),
        },
        built_with={"d_det": "brief"},
        student=train,
        builders=recipes.builders(
            MatchEmbeddings(steps=2, step_size=0.5),
            recipes.targeted_attack(planted_study.threat, steps=2, step_size=0.25),
        ),
        attack_steps=2,
        tested=40,
    )
