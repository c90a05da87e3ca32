"""Reasons that show in the answers alone: randomness, memory, neighbours, probabilities, saturation, more classes."""

from collections.abc import Iterator

import torch

from notbugs.attacks.objectives import margin
from notbugs.audits.flag import Flag
from notbugs.audits.probe import Probe, ask, faded, spread_of
from notbugs.tensors import Logits

REPEATED = 1e-3
"""The same question twice may differ by this share of the spread: an accelerator's sums are not repeatable."""

REGROUPED = 2**-5
"""In another batch, by this share: other kernels round otherwise, in bfloat16 by up to 2^-8 in every layer."""

SATURATED = 87.0
"""Above this gap between two logits exp(-gap) is no normal float32: the cross-entropy has no usable gradient."""

SOME, FEW = 0.25, 5
"""The share of the images, and their number, that a harmless change may cost an honest model on balance, or saturate.
A weak one loses many, by thin margins, and wins about as many; what was stored can only be lost.
"""

JUMP_OF_ONE_VALUE, JUMP_OF_CONTRAST = 0.2, 0.5
"""Changes of the logits, as shares of their spread, when one value moves by 1/255 and when contrast falls by 10 %.
A smooth answer moves by about 0.001 and 0.1.
"""


def not_finite(probe: Probe) -> Flag | None:
    bad = int((~probe.logits.isfinite()).any(1).sum())
    if bad == 0:
        return None
    return Flag(
        "not_finite",
        f"The logits of {bad} of {len(probe)} images are NaN or infinite.",
        "Mend the model first: no attack and no accuracy means anything on such answers.",
    )


def changing_answers(probe: Probe) -> Flag | None:
    """Asked twice, the model answers twice: noise on the input, dropout left on, averages over random draws.

    If the answer settles when nothing else is asked, nothing is drawn: the model keeps state from call to call.
    """
    again = ask(probe.model, probe.images)
    difference, n = _worst_row(again, probe.logits) / probe.spread, len(probe)
    settled = difference <= REPEATED
    if not settled:
        once, twice = ask(probe.model, probe.images), ask(probe.model, probe.images)
        settled = _worst_row(twice, once) / probe.spread <= REPEATED
    if not settled:
        return Flag(
            "stochastic_outputs",
            f"Asked again about the same {n} images, the logits differ by up to {difference:.1%} of their spread.",
            "Attack the expectation over the draws (EOT: average many gradients), count success over several draws, "
            "or switch the randomness off.",
        )
    difference = max(difference, _worst_row(ask(probe.model, probe.near), probe.near_logits) / probe.spread)
    if difference > REPEATED:
        return Flag(
            "keeps_state",
            f"What was asked before changes the logits of the same {n} images by up to {difference:.1%} of their "
            "spread.",
            "Audit a model that is a function of its input: one that remembers what it was shown can recognise an "
            "attack, or the label.",
        )
    return None


def rows_influence_each_other(probe: Probe) -> Flag | None:
    """The darkest third of the images on its own: a BatchNorm that still looks at the batch sees another batch."""
    few = probe.images.flatten(1).mean(1).argsort()[: max(1, len(probe) // 3)]
    alone = ask(probe.model, probe.images[few])
    difference = spread_of(alone - probe.logits[few]) / probe.spread
    if difference <= REGROUPED:
        return None
    return Flag(
        "rows_influence_each_other",
        f"{len(few)} images asked on their own get logits that differ by {difference:.1%} of the spread from those "
        f"they get in a batch of {len(probe)}.",
        "Put every BatchNorm into evaluation mode, also inside wrappers: an adversary chooses no neighbours.",
    )


def probabilities(probe: Probe) -> Flag | None:
    """Rows in [0, 1] that sum to 1 (to three digits: they may have been rounded to half precision)."""
    slack = 5e-3
    within = bool(((probe.logits >= -slack) & (probe.logits <= 1 + slack)).all())
    if not within or not bool(((probe.logits.sum(1) - 1).abs() <= slack).all()):
        return None
    return Flag(
        "probabilities",
        f"The outputs on all {len(probe)} images lie in [0, 1] and sum to 1.",
        "Give the logits before the softmax: a second softmax flattens the loss, and the first one its gradient.",
    )


def saturated_logits(probe: Probe) -> Flag | None:
    """Answers so sure of themselves that the softmax is exactly 0 and 1."""
    gaps = -margin(probe.logits, probe.predicted)
    count = int((gaps > SATURATED).sum())
    if count <= SOME * len(probe):
        return None
    return Flag(
        "saturated_logits",
        f"On {count} of {len(probe)} images the best logit leads by more than {SATURATED:g} (median gap "
        f"{float(gaps.median()):.3g}): the softmax is exactly 0 or 1 in float32, and the cross-entropy has no "
        "gradient.",
        "Attack the margin or the DLR loss, or divide the logits by a constant: their scale changes no prediction.",
    )


def extra_class(probe: Probe, classes: int) -> Flag | None:
    given = probe.logits.shape[1]
    if given == classes:
        return None
    outside = sum(int((logits.argmax(1) >= classes).sum()) for logits in (probe.logits, probe.near_logits))
    return Flag(
        "extra_class",
        f"{given} logits for {classes} classes; of {2 * len(probe)} answers, half of them on images moved by 1/255, "
        f"{outside} lie outside the labels.",
        "If the further class abstains, attack it as well: count an image as robust only if no change in the threat "
        "gives another class, or makes the model abstain.",
    )


def remembers_images(probe: Probe) -> Flag | None:
    """The answer hangs on the exact bits, or on a neighbourhood, of the images that it is measured on."""
    for what, lost, won, jump in _harmless_changes(probe):
        n = int(probe.right.sum())
        if jump > 0:
            found = f"the logits jump by {jump:.0%} of their spread (median of {len(probe)} images)"
        elif lost - won > max(FEW, SOME * n):
            found = f"{lost} of the {n} right images are lost and {won} others won"
        else:
            continue
        return Flag(
            "remembers_images",
            f"When {what}, {found}.",
            "Audit on images that the model cannot have stored, in no form: it seems to recognise these rather than "
            "to classify them.",
        )
    return None


def _harmless_changes(probe: Probe) -> Iterator[tuple[str, int, int, float]]:
    """What was changed, how many images lost and won their label, the jump of the logits where it is too large."""

    def effect(logits: Logits, largest: float) -> tuple[int, int, float]:
        moved = logits - probe.logits
        jump = float((moved - moved.mean(1, keepdim=True)).square().mean(1).sqrt().median()) / probe.spread
        right = logits.argmax(1) == probe.labels
        lost = int((probe.right & ~right & logits.isfinite().all(1)).sum())
        return lost, int((right & ~probe.right).sum()), jump if jump > largest else 0.0

    one = probe.images.clone().flatten(1)
    place = torch.randint(one.shape[1], (len(one), 1), generator=probe.draw("place"), device=one.device)
    value = one.gather(1, place)
    one = one.scatter(1, place, value + torch.where(value > 0.5, -1 / 255, 1 / 255))
    yield (
        "one value changes by 1/255",
        *effect(ask(probe.model, one.view_as(probe.images)), JUMP_OF_ONE_VALUE),
    )
    yield "every value changes by 1/255", *effect(probe.near_logits, JUMP_OF_CONTRAST)
    yield "contrast falls by a tenth", *effect(ask(probe.model, faded(probe.images)), JUMP_OF_CONTRAST)


def _worst_row(logits: Logits, before: Logits) -> float:
    """The largest root mean square change of one image's logits; infinite where one of them is not a number."""
    worst = float((logits - before).square().mean(1).sqrt().amax())
    return worst if worst == worst else float("inf")


__all__ = [
    "changing_answers",
    "extra_class",
    "not_finite",
    "probabilities",
    "remembers_images",
    "rows_influence_each_other",
    "saturated_logits",
]
