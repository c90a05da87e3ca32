"""Reasons that show in searches: one without gradients gets further than one with, or one fails where none can."""

import math

import torch

from notbugs.attacks import APGD, PGD, Attack
from notbugs.attacks.objectives import margin
from notbugs.audits.flag import Flag, met_nan
from notbugs.audits.probe import Probe, ask, faded
from notbugs.errors import SearchMetNaNError
from notbugs.tensors import Classifier, Images, Labels, Mask
from notbugs.threats import L1, THREATS, Threat

SEARCHED = 16
"""Images that are searched around: enough to see a search that fails throughout."""

STEPS, FAR_STEPS, QUERIES = 10, 20, 30
"""Of the gradient search within the threat and at any distance, and of the search without gradients."""

SOME = 0.1
"""The share of the images searched, and at least two, above which a search that fails is no accident."""


ONLY_HERE, FEW, SMALLER = 0.4, 4, 0.8
"""The share of the images searched, and their number, that may stand here, and fall to SMALLER times the budget once
a tenth of their contrast, and of an honest model's margins, is gone.
"""


def reasons_in_searches(probe: Probe, threat: Threat) -> list[Flag]:
    """On images that are right, if the threat is a norm ball that leaves any room (0 < eps < inf)."""
    rows = probe.right.nonzero()[:SEARCHED, 0]
    is_ball = isinstance(threat, tuple(THREATS.values()))
    if len(rows) == 0 or not is_ball or not 0 < threat.eps < math.inf:
        return []
    images, labels = probe.images[rows], probe.labels[rows]
    attack = _search_in(threat, steps=STEPS, share=1 / 4)
    try:
        standing = _standing(attack, probe, images, labels)
        found = [
            black_box_beats_white_box(probe, attack, images, labels, standing),
            stands_only_here(probe, attack, images, labels, standing),
            stands_at_any_distance(probe, threat, rows),
        ]
    except SearchMetNaNError:
        return [met_nan(f"A search around {len(rows)} images")]
    return [flag for flag in found if flag]


def black_box_beats_white_box(
    probe: Probe, attack: Attack, images: Images, labels: Labels, standing: Mask
) -> Flag | None:
    """A blind search fells images that a search with gradients left standing: the gradients hide something."""
    left, threat = standing.nonzero()[:, 0], attack.threat
    if len(left) == 0:
        return None
    found = random_search(
        probe.model, images[left], labels[left], threat=threat, queries=QUERIES, generator=probe.draw("blind")
    )
    more = int(fooled(probe.model, found, images[left], labels[left], threat).sum())
    if more < max(2, SOME * len(images)):
        return None
    return Flag(
        "black_box_beats_white_box",
        f"Of {len(images)} images, {len(left)} stood against {STEPS} steps of {_name(attack)} on the margin, and "
        f"{more} of these fell to {QUERIES} random guesses within {threat}.",
        "Trust no number from gradient attacks on this model: report what Square (--attacks standard) or NES leave "
        "standing.",
    )


def stands_only_here(
    probe: Probe, attack: Attack, images: Images, labels: Labels, standing: Mask
) -> Flag | None:
    """The images resist, their faded copies do not: what protects them belongs to these images, not to the model.

    Those that fading alone fells say nothing of an attack: a weak model loses many.
    """
    still = ask(probe.model, faded(images)).argmax(1) == labels
    n, here = int(still.sum()), int((standing & still).sum())
    if here < max(FEW, ONLY_HERE * n):
        return None
    smaller = _search_in(attack.threat.scaled(SMALLER), steps=STEPS, share=1 / 4)
    there = int(_standing(smaller, probe, faded(images[still]), labels[still]).sum())
    if here - there < max(FEW, ONLY_HERE * n):
        return None
    return Flag(
        "remembers_images",
        f"Of {n} images that are right with a tenth less contrast as well, {here} stand against {STEPS} steps of "
        f"{_name(attack)} within {attack.threat}, and {there} within {SMALLER:g} of that in their faded form.",
        "Audit on images that the model cannot have stored, in no form: it seems to recognise these rather than to "
        "classify them.",
    )


def stands_at_any_distance(probe: Probe, threat: Threat, rows: torch.Tensor) -> Flag | None:
    """Where an image of another class lies within the threat, a search that finds nothing is broken, not the model
    robust (Athalye et al. 2018; Carlini et al. 2019, "unbounded attacks").
    """
    others = probe.predicted[:, None] != probe.predicted[rows]
    if not bool(others.any(0).all()):
        return None  # one class is all that the model is known to answer
    images, labels = probe.images[rows], probe.labels[rows]
    sizes = threat.size(probe.images[others.int().argmax(0)], images)
    far = threat.scaled(max(1.0, float(sizes.amax()) / threat.eps))
    attack = _search_in(far, steps=FAR_STEPS, share=1 / 10)
    standing = int(_standing(attack, probe, images, labels).sum())
    if standing < max(2, SOME * len(rows)):
        return None
    return Flag(
        "stands_at_any_distance",
        f"{standing} of {len(rows)} images stand against {FAR_STEPS} steps of {_name(attack)} within eps "
        f"{far.eps:.3g}, where images of other classes lie.",
        "The search fails, not the adversary: find out why before believing the accuracy at a smaller eps.",
    )


def _search_in(threat: Threat, *, steps: int, share: float) -> Attack:
    """PGD on the margin from the image, with steps of a share of eps; in L1, where one changes one value, APGD."""
    if isinstance(threat, L1):
        return APGD(threat=threat, steps=steps, loss="margin")
    return PGD(
        threat=threat, steps=steps, step_size=share * threat.eps, loss="margin", random_start=False,
        stop_when_fooled=True,
    )  # fmt: skip


def _name(attack: Attack) -> str:
    return type(attack).__name__


def _standing(attack: Attack, probe: Probe, images: Images, labels: Labels) -> Mask:
    """Which images are right and stay so."""
    found = attack(probe.model, images, labels, generator=probe.draw("gradients"))
    return ~fooled(probe.model, found, images, labels, attack.threat)


def random_search(
    model: Classifier,
    images: Images,
    labels: Labels,
    *,
    threat: Threat,
    queries: int,
    generator: torch.Generator,
) -> Images:
    """Guess, keep what lowers the label's lead, guess again: `queries` forward passes of the images still right.

    A guess adds blocks of noise to the direction in which an image has moved, and goes to the threat's edge along
    it; coarse blocks, because those are what networks react to (Andriushchenko et al. 2020, section 3).

    >>> from notbugs.seeds import generator
    >>> from notbugs.threats import Linf
    >>> grey = torch.full((1, 1, 4, 4), 0.5)
    >>> brighter = lambda images: torch.cat([images.mean((2, 3)), torch.full((len(images), 1), 0.51)], 1)
    >>> found = random_search(brighter, grey + 0.05, torch.tensor([0]), threat=Linf(0.1), queries=20,
    ...                       generator=generator(0))
    >>> brighter(found).argmax(1).tolist()
    [1]
    """

    def guess(rows: torch.Tensor, size: int) -> Images:
        shape = (len(rows), images.shape[1], size, size)
        noise = torch.randn(shape, generator=generator, device=images.device, dtype=images.dtype)
        return torch.nn.functional.interpolate(noise, size=images.shape[2:])

    found, directions = images.clone(), torch.zeros_like(images)
    best = torch.full((len(images),), -torch.inf, device=images.device)
    for query in range(queries):
        rows = (best <= 0).nonzero()[:, 0]
        if len(rows) == 0:
            break
        tried = directions[rows] + guess(rows, (2, 4, 8)[query % 3])
        candidates = threat.project(images[rows] + threat.eps * threat.ascent_direction(tried), images[rows])
        values = margin(ask(model, candidates), labels[rows])
        better = (values > best[rows]).nonzero()[:, 0]
        kept = rows[better]
        found[kept], directions[kept], best[kept] = candidates[better], tried[better], values[better]
    return found


def fooled(model: Classifier, found: Images, images: Images, labels: Labels, threat: Threat) -> Mask:
    """Which images lie inside the threat and are given another label: nothing that a search says is believed."""
    return threat.contains(found, images) & (ask(model, found).argmax(1) != labels)


__all__ = [
    "black_box_beats_white_box",
    "random_search",
    "reasons_in_searches",
    "stands_at_any_distance",
    "stands_only_here",
]
