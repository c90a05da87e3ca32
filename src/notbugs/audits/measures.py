"""What a study measures of each of its models, on the original test set."""

from collections.abc import Sequence

from notbugs.attacks import Attack
from notbugs.audits.cascade import cascade
from notbugs.audits.proportion import Proportion
from notbugs.audits.suites import default_attacks, suite_attacks
from notbugs.audits.views import predictions, views_of
from notbugs.data.labeled import LabeledImages
from notbugs.progress import Progress, silent
from notbugs.tensors import Classifier, Mask
from notbugs.threats import Threat


def measure_name(threat: Threat) -> str:
    """`l2:0.25` as a metric: `l2_0.25`."""
    return str(threat).replace(":", "_").replace("/", "_")


def audit_name(threat: Threat) -> str:
    """The same within a budget, after a whole suite of attacks."""
    return f"{measure_name(threat)}_audit"


def measure(
    model: Classifier,
    test: LabeledImages,
    *,
    budgets: Sequence[Threat],
    attack_steps: int,
    tested: int,
    seed: int,
    suite: str = "",
    precision: str = "auto",
    progress: Progress = silent,
) -> dict[str, Proportion]:
    """Accuracies by measure: `clean`, one per budget (rising; on `tested` images), `relabelled` (on labels
    y + 1) and, on planted data, `follows_robust` and `follows_nonrobust`.

    With a `suite` also one more per budget (`audit_name`): what stands after its attacks as well. Raises
    NotbugsError for an unknown suite.

    >>> from notbugs import L2, build, load
    >>> digits, model = load("digits", split="test").first(20), build("convnet-8-8-8-8", classes=10, seed=0)
    >>> sorted(measure(model, digits, budgets=[L2(0.5)], attack_steps=2, tested=10, seed=0))
    ['clean', 'l2_0.5', 'relabelled']
    """
    predicted = predictions(model, test.images)
    n = len(test)
    values = {"clean": Proportion(int((predicted == test.labels).sum()), n)}
    part = test.part(tested)

    def left(standing: Mask, threat: Threat, attacks: Sequence[Attack]) -> Mask:
        return cascade(
            views, part, standing, threat=threat, attacks=attacks, seed=seed, progress=progress
        ).standing

    views = views_of(model, test.images.device, precision=precision)

    standing = audited = predictions(model, part.images) == part.labels
    # In rising order: what falls within eps / 2 has fallen within eps.
    for threat in budgets:
        standing = left(standing, threat, default_attacks(threat, steps=attack_steps))
        values[measure_name(threat)] = Proportion(int(standing.sum()), len(part))
        if suite:
            audited = left(audited & standing, threat, suite_attacks(suite, threat, classes=test.classes))
            values[audit_name(threat)] = Proportion(int(audited.sum()), len(part))
    values["relabelled"] = Proportion(int((predicted == (test.labels + 1) % test.classes).sum()), n)
    for feature in ("robust", "nonrobust"):
        planted = test.columns.get(f"{feature}_class")
        if planted is not None:
            values[f"follows_{feature}"] = Proportion(int((predicted == planted).sum()), n)
    return values


__all__ = ["audit_name", "measure", "measure_name"]
