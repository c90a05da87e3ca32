"""What a study measures of each of its models, on the original test set."""

from collections.abc import Sequence

from notbugs.attacks import Attack
from notbugs.audits.cascade import cascade
from notbugs.audits.suites import default_attacks, suite_attacks
from notbugs.audits.views import predictions, views_of
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.progress import Progress, silent
from notbugs.proportion import Proportion
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
    preceding: bool = False,
    precision: str = "auto",
    progress: Progress = silent,
) -> dict[str, Proportion]:
    """Accuracies by measure: `clean`, one per budget (rising; on `tested` images), `relabelled` (on labels
    y + 1), if asked `preceding` (on labels y - 1) and, on planted data, `follows_robust` and `follows_nonrobust`.

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
    for name, shift in {"relabelled": 1, **({"preceding": -1} if preceding else {})}.items():
        shifted = (test.labels + shift) % test.classes
        values[name] = Proportion(int((predicted == shifted).sum()), n)
    for feature in ("robust", "nonrobust"):
        planted = test.columns.get(f"{feature}_class")
        if planted is not None:
            values[f"follows_{feature}"] = Proportion(int((predicted == planted).sum()), n)
    return values


def fooled_by(model: Classifier, changed: LabeledImages, originals: LabeledImages) -> Proportion:
    """How many of the images that the model has right get the changed image's label once they are changed.

    Row i of `changed` is made from row i of `originals` and labelled with what it should be taken for; rows whose
    label stayed are left out. Raises NotbugsError where no image is left.

    >>> from notbugs import build, load
    >>> digits, model = load("digits", split="test").first(100), build("convnet-8-8-8-8", classes=10, seed=0)
    >>> fooled_by(model, digits.relabeled((digits.labels + 1) % 10), digits).count
    0
    """
    asked = (predictions(model, originals.images) == originals.labels) & (changed.labels != originals.labels)
    if not bool(asked.any()):
        raise NotbugsError(f"{changed.origin.name}: the model has none of the originals right")
    after = predictions(model, changed.images) == changed.labels
    return Proportion(int((after & asked).sum()), int(asked.sum()))


def step_counts(
    model: Classifier,
    test: LabeledImages,
    *,
    threat: Threat,
    counts: Sequence[int],
    seed: int,
    precision: str = "auto",
    progress: Progress = silent,
) -> dict[str, Proportion]:
    """Accuracy under PGD of up to so many steps, as `steps_<count>` (Ilyas et al. 2019, D.2).

    Each number of steps begins anew, and is tried on what fewer have left: more steps never show as less harm.

    >>> from notbugs import L2, build, load
    >>> digits, model = load("digits", split="test").first(20), build("convnet-8-8-8-8", classes=10, seed=0)
    >>> list(step_counts(model, digits, threat=L2(0.5), counts=[1, 2], seed=0))
    ['steps_1', 'steps_2']
    """
    views = views_of(model, test.images.device, precision=precision)
    standing = predictions(model, test.images) == test.labels
    found = {}
    for count in sorted(counts):
        attack = default_attacks(threat, steps=count)[:1]
        left = cascade(views, test, standing, threat=threat, attacks=attack, seed=seed, progress=progress)
        standing = left.standing
        found[f"steps_{count}"] = Proportion(int(standing.sum()), len(test))
    return found


__all__ = ["audit_name", "measure", "measure_name", "step_counts", "fooled_by"]
