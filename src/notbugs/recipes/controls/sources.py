"""Whose features adversarial images carry: those of a standard and of a robust model, and a poison."""

from notbugs.features import PushToTarget
from notbugs.recipes.controls.setting import (
    ARCH,
    DECAYED,
    ILYAS,
    NAKKIRAN,
    PUSH,
    ROBUST,
    SLOW,
    SOURCE,
    STANDARD,
    THREAT,
)
from notbugs.study import Built, More, RightlyLabelled, Study, Trained


def sources() -> Study:
    """`notbugs study sources`: D_rand and D_det of a robust model beside those of a standard one, and their reverse.

    Expect the robust model's adversarial images to teach the shifted labels and the standard model's the true ones,
    and a training set under its right labels, pushed imperceptibly, to teach the wrong ones.
    """
    det = {"det_standard": "standard", "det_robust": "robust"}
    rand = {"rand_standard": "standard", "rand_robust": "robust"}
    sets = {name: Built(builder=PushToTarget(attack=PUSH, targets="next"), by=by) for name, by in det.items()}
    sets |= {
        name: Built(builder=PushToTarget(attack=PUSH, targets="random"), by=by) for name, by in rand.items()
    }
    return Study(
        name="sources",
        question="Whose features do adversarial images carry: those of the model that they were made with?",
        source=SOURCE,
        arch=ARCH,
        threat=THREAT,
        models={
            "standard": STANDARD,
            "robust": ROBUST,
            **{name: Trained(how=DECAYED, on=name) for name in det},
            **{name: Trained(how=SLOW, on=name) for name in rand},
            "poisoned": Trained(how=DECAYED, on="poisoned"),
        },
        sets={**sets, "poisoned": RightlyLabelled(of="det_standard")},
        titles={
            "det_standard": "Student of D_det, standard source",
            "det_robust": "Student of D_det, robust source",
            "rand_standard": "Student of D_rand, standard source",
            "rand_robust": "Student of D_rand, robust source",
            "poisoned": "Student of the poisoned set",
        },
        set_titles={
            "det_standard": "D_det of the standard model",
            "det_robust": "D_det of the robust model",
            "rand_standard": "D_rand of the standard model",
            "rand_robust": "D_rand of the robust model",
        },
        claims=(
            More(
                says="From a standard source D_det teaches the true labels more than the shifted ones it bears",
                more="det_standard.clean",
                less="det_standard.relabelled",
                published="43.7 against 16.2 %, ten classes",
                source=f"{ILYAS}, tables 1 and 10",
            ),
            More(
                says="From a robust source D_det teaches the shifted labels more than the true ones",
                more="det_robust.relabelled",
                less="det_robust.clean",
                published="65.5 against 5.8 %, ten classes",
                source=f"{ILYAS}, table 10",
            ),
            More(
                says="D_rand of a standard source teaches more than D_rand of a robust one",
                more="rand_standard.clean",
                less="rand_robust.clean",
                published="63.3 against 25.2 %, ten classes",
                source=f"{ILYAS}, table 9",
            ),
            More(
                says="Under its right labels the same D_det teaches the class before, a poison: the first claim, its "
                "classes renamed, trained anew",
                more="poisoned.preceding",
                less="poisoned.clean",
                published="43.7 % on shifted labels, ten classes, L2 0.5",
                source=NAKKIRAN,
            ),
        ),
        duration="15 minutes on 2 cores",
    )


__all__ = ["sources"]
