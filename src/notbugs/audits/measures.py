"""What a study measures of each of its models, on the original test set."""

from collections.abc import Sequence

from notbugs.audits.cascade import cascade, predictions
from notbugs.audits.proportion import Proportion
from notbugs.audits.suites import default_attacks
from notbugs.data.labeled import LabeledImages
from notbugs.progress import Progress, silent
from notbugs.tensors import Classifier
from notbugs.threats import Threat


def measure_name(threat: Threat) -> str:
    """`l2:0.25` as a metric: `l2_0.25`."""
    return str(threat).replace(":", "_").replace("/", "_")


def measure(
    model: Classifier,
    test: LabeledImages,
    *,
    budgets: Sequence[Threat],
    attack_steps: int,
    tested: int,
    seed: int,
    precision: str = "auto",
    progress: Progress = silent,
) -> dict[str, Proportion]:
    """Accuracies by measure: `clean`, one per budget (rising; on the first `tested` images), `relabelled` (on labels
    y + 1) and, on planted data, `follows_robust` and `follows_nonrobust`.
    """
    predicted = predictions(model, test.images)
    n = len(test)
    values = {"clean": Proportion(int((predicted == test.labels).sum()), n)}
    part = test.first(tested)
    standing = predicted[: len(part)] == part.labels
    # In rising order: what falls within eps / 2 has fallen within eps.
    for threat in budgets:
        standing = cascade(
            model,
            part,
            standing,
            threat=threat,
            attacks=default_attacks(threat, steps=attack_steps),
            seed=seed,
            precision=precision,
            progress=progress,
        ).standing
        values[measure_name(threat)] = Proportion(int(standing.sum()), len(part))
    values["relabelled"] = Proportion(int((predicted == (test.labels + 1) % test.classes).sum()), n)
    for feature in ("robust", "nonrobust"):
        planted = test.columns.get(f"{feature}_class")
        if planted is not None:
            values[f"follows_{feature}"] = Proportion(int((predicted == planted).sum()), n)
    return values


__all__ = ["measure", "measure_name"]
