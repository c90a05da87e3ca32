"""What can be learned from another model's mistakes alone."""

from dataclasses import replace

from notbugs.features import Answered
from notbugs.recipes.controls.setting import THREAT, WALLACE
from notbugs.recipes.hyperparameters import FAST
from notbugs.study import CHANCE, Built, Mislabelled, More, Study, Trained


def mislabelled() -> Study:
    """`notbugs study mislabelled`: a network that learns only from another's mistakes, on images nobody has changed.

    Expect it right on real images more often than chance, though none of its labels was right.
    """
    return Study(
        name="mislabelled",
        question="What can be learned from the mistakes of another model alone?",
        source="cifar10",
        arch="convnet-32-64-64-64",
        threat=THREAT,
        models={
            "standard": Trained(how=replace(FAST, epochs=2, batch_size=256)),
            "mistakes": Trained(how=replace(FAST, epochs=28, lr=0.1), on="mistakes"),
        },
        sets={"answered": Built(builder=Answered(), by="standard"), "mistakes": Mislabelled(of="answered")},
        titles={"standard": "Two epochs", "mistakes": "Student of its mistakes"},
        set_titles={"answered": "the training images under that model’s answers"},
        claims=(
            More(
                says="Trained on nothing but wrong labels, it is right more often than guessing",
                more="mistakes.clean",
                less=CHANCE,
                published="49.7 %, from a model that is right on 62.5 %",
                source=WALLACE,
            ),
        ),
        duration="two minutes on 2 cores",
    )


__all__ = ["mislabelled"]
