"""Adversarial images that fool one model alone: bugs, and what is learned from them."""

from dataclasses import replace

from notbugs.features import PushAlone, PushToTarget
from notbugs.recipes.controls.setting import ARCH, NAKKIRAN, PUSH, SLOW, SOURCE, STANDARD, THREAT
from notbugs.study import CHANCE, Built, More, Study, Trained


def untransferable() -> Study:
    """`notbugs study untransferable`: adversarial images that fool one model alone, and what is learned from them.

    Expect them to fool their model as ordinary ones do, no other network, and to teach nothing.
    """
    others = tuple(f"other_{number}" for number in range(1, 6))
    alone = PushAlone(threat=PUSH.threat, steps=PUSH.steps, step_size=PUSH.step_size, targets="random")
    ordinary = PushToTarget(attack=PUSH, targets="random")
    return Study(
        name="untransferable",
        question="Are adversarial examples that fool no other network features too?",
        source=SOURCE,
        arch=ARCH,
        threat=THREAT,
        models={
            "standard": STANDARD,
            **dict.fromkeys((*others, "unseen"), STANDARD),
            "ordinary": Trained(how=SLOW, on="ordinary"),
            "alone": Trained(how=SLOW, on="alone"),
        },
        sets={
            "ordinary": Built(builder=ordinary, by="standard"),
            "alone": Built(builder=alone, by="standard", others=others),
            "ordinary_test": Built(builder=replace(ordinary, targets="next"), by="standard", of="test"),
            "alone_test": Built(
                builder=replace(alone, targets="next"), by="standard", others=others, of="test"
            ),
        },
        fooled_by={
            "ordinary_test": ("standard", "unseen"),
            "alone_test": ("standard", "unseen"),
        },
        titles={
            **{name: f"Held still, {number}" for number, name in enumerate(others, start=1)},
            "unseen": "A network never asked",
            "ordinary": "Student of ordinary D_rand",
            "alone": "Student of D_rand that fools one alone",
        },
        set_titles={
            "ordinary": "D_rand",
            "alone": "D_rand that fools one model alone",
            "ordinary_test": "ordinary adversarial images",
            "alone_test": "images that fool one alone",
        },
        claims=(
            More(
                says="Pushed so that others are not moved, most images still fool their own model",
                more="standard.fooled_by_alone_test",
                less=0.8,
                published="99.3 %, ten classes, L2 2.5",
                source=NAKKIRAN,
            ),
            More(
                says="They fool a network that was never asked less than ordinary ones do",
                more="unseen.fooled_by_ordinary_test",
                less="unseen.fooled_by_alone_test",
                published="82.5 against 1.7 %",
                source=NAKKIRAN,
            ),
            More(
                says="Ordinary ones under random labels teach the real classes",
                more="ordinary.clean",
                less=CHANCE,
                published="33.2 % of D_det, ten classes",
                source=NAKKIRAN,
            ),
            More(
                says="Those that fool one model alone teach nothing: at most 3 points above guessing",
                more=CHANCE,
                less="alone.clean",
                by=-0.03,
                published="2.8 % of D_det, ten classes: below guessing",
                source=NAKKIRAN,
            ),
        ),
        duration="half an hour on 2 cores",
    )


__all__ = ["untransferable"]
