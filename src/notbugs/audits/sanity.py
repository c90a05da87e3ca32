"""Reasons to distrust a robust accuracy, looked for before it is believed.

An attack that fails proves little. Athalye et al. 2018 ("Obfuscated gradients give a false sense of security") and
Carlini et al. 2019 ("On evaluating adversarial robustness") list signs that the search failed rather than the
adversary; Croce et al. 2022 ("Evaluating the adversarial robustness of adaptive test-time defenses") add what
randomness and computations at test time do. Here each sign is one function from a probe to a flag or nothing.
"""

from notbugs.audits.agreement import chance_accuracy, constant_predictions, renamed_labels
from notbugs.audits.answers import (
    changing_answers,
    extra_class,
    not_finite,
    probabilities,
    remembers_images,
    rows_influence_each_other,
    saturated_logits,
)
from notbugs.audits.flag import Flag, once
from notbugs.audits.probe import take_probe
from notbugs.audits.reach import reasons_in_searches
from notbugs.audits.scaling import other_scaling
from notbugs.audits.slopes import misleading_gradients, slopes, unusable_gradients
from notbugs.data.labeled import LabeledImages
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier
from notbugs.threats import Threat


def check(
    model: Classifier, data: LabeledImages, *, threat: Threat, seed: int = 0, count: int = 48
) -> tuple[Flag, ...]:
    """Reasons to distrust what attacks within `threat` say of `model`, found on `count` images of `data`; () if none.

    Flags, by what they show in. The images: other_scaling. The labels: chance_accuracy, constant_predictions,
    renamed_labels. The answers: not_finite (then nothing else is looked at), stochastic_outputs, keeps_state,
    rows_influence_each_other, probabilities, saturated_logits, extra_class, remembers_images. The gradients: nan_,
    zero_, vanishing_, exploding_ and misleading_gradients. Searches around 16 right images (if 0 < eps < inf):
    black_box_beats_white_box, stands_at_any_distance; none where rows influence each other or gradients are NaN.

    Cost, with 48 images: 600 to 1200 passes of one image forward and 110 to 700 forward and backward, fewest where
    all images fall at once. No flag is no proof. The same seed gives the same flags, unless the model itself draws at
    random. Raises NotbugsError if the model gives fewer logits than the data have classes, or count < 1.

    >>> from notbugs import L2, build, load
    >>> digits = load("digits", split="test")
    >>> model = build("convnet-8-8-8-8", classes=10, seed=0)
    >>> [flag.name for flag in check(model, digits, threat=L2(0.5))]  # it has learned nothing yet
    ['chance_accuracy', 'constant_predictions']
    """
    with frozen(model):
        probe = take_probe(model, data, count=count, seed=seed)
        if broken := not_finite(probe):
            return (broken,)
        found = [
            other_scaling(probe),
            chance_accuracy(probe.wide_predicted == probe.wide_labels, probe.wide_labels),
            constant_predictions(probe.wide_predicted, probe.wide_labels),
            renamed_labels(probe.wide_predicted, probe.wide_labels),
        ]
        changing = changing_answers(probe)
        # What changes from call to call also changes from batch to batch; that would be said twice.
        mixing = None if changing else rows_influence_each_other(probe)
        found += [changing, mixing]
        found += [
            probabilities(probe),
            saturated_logits(probe),
            extra_class(probe, data.classes),
            None if changing else remembers_images(probe),
        ]
        climbed = slopes(probe)
        unusable = unusable_gradients(probe, climbed)
        found.append(unusable or misleading_gradients(probe, climbed))
        # On NaN a search only stops; where rows influence each other, none may leave the batch.
        if mixing is None and (unusable is None or unusable.name != "nan_gradients"):
            found += reasons_in_searches(probe, threat)
    return once(flag for flag in found if flag)  # the cheapest evidence is said


__all__ = ["check"]
