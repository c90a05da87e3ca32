"""What a study must find on planted data, from the geometry alone; nothing is expected of other data."""

from collections.abc import Sequence

from notbugs.audits import measure_name
from notbugs.data.labeled import LabeledImages
from notbugs.data.planted import Feature, PlantedTruth, truth_of
from notbugs.threats import L2, Threat

FOLLOWS: dict[str, Feature] = {
    "robust": "robust", "d_r": "robust", "d_nr": "nonrobust", "d_rand": "nonrobust",
}  # fmt: skip
"""The feature that each model should follow, where it should follow one alone."""


def closed_forms(test: LabeledImages, budgets: Sequence[Threat]) -> dict[str, float]:
    """Metric name -> what the classifier of the right feature alone scores, clean and under each L2 budget."""
    truth = _truth_about(test)
    if truth is None or not all(isinstance(threat, L2) for threat in budgets):
        return {}
    # The standard model sees both; the non-robust feature is the better witness and decides where they differ.
    seen: dict[str, Feature] = {**FOLLOWS, "standard": "nonrobust"}
    expected = {f"{model}.follows_{feature}": 1.0 for model, feature in FOLLOWS.items()}
    for model, feature in seen.items():
        expected[f"{model}.clean"] = truth.accuracy_of(feature)
        for threat in budgets:
            expected[f"{model}.{measure_name(threat)}"] = truth.accuracy_of(feature, eps=threat.eps)
    return expected


def det_closed_forms(test: LabeledImages) -> dict[str, tuple[float, float]]:
    """Metric name -> the range between the two students of D_det that follow one feature alone.

    Under the label y + 1 the pattern was moved to y + 1 and is learned as it is, the shape stayed at y and is
    learned one class on. A network mixes the two, and lies between.
    """
    truth = _truth_about(test)
    if truth is None:
        return {}
    pattern = truth.accuracy_of("nonrobust"), truth.shifted_accuracy_of("nonrobust", learned_shift=0)
    # Right on the true label only where the shape is that of the class before.
    shape = truth.shifted_accuracy_of("robust", learned_shift=0), truth.accuracy_of("robust")
    return {
        "d_det.clean": (min(pattern[0], shape[0]), max(pattern[0], shape[0])),
        "d_det.relabelled": (min(pattern[1], shape[1]), max(pattern[1], shape[1])),
    }


def _truth_about(test: LabeledImages) -> PlantedTruth | None:
    """The truth, where the two features are all that the label can be read from: a third is as good a witness."""
    truth = truth_of(test)
    return None if truth is None or truth.spurious else truth
