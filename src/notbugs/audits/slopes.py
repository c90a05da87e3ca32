"""Reasons that show in the gradients: zero, not a number, of no scale, or not the slope of anything."""

from dataclasses import dataclass
from typing import final

import torch

from notbugs.attacks.ascent import input_gradients
from notbugs.attacks.objectives import margin
from notbugs.audits.flag import Flag
from notbugs.audits.probe import Probe, ask, signs
from notbugs.tensors import Images, PerExample

SOME = 0.1
"""The share of images with a flat gradient above which it is no accident (dead units happen, rarely)."""

TINY, HUGE = 1e-3, 1e6
"""The steepest change that a gradient promises over the whole pixel box, in spreads of the logits. Networks lie
between 1 and 10^4.
"""

SHORT, LONGEST = 0.05, 2 / 255
"""A short step: one for which the gradient promises 5 % of the spread, well above the noise of bfloat16 and mostly
inside one linear piece; at most 2/255 (root mean square), which is also the moderate step.
"""

PREDICTS = (0.5, 2.0)
"""Where the median ratio of measured to promised change lies if the gradient is a slope; 1 for smooth models."""

BETTER = 0.8
"""The share of images on which a gradient step must beat a random one of the same size; a blind one has 0.5, every
honest one measured 1."""


@final
@dataclass(frozen=True, kw_only=True)
class Slopes:
    """Of each image: the margin by which its prediction leads (negative: see `margin`) and its gradient."""

    values: PerExample
    gradients: Images


def slopes(probe: Probe) -> Slopes:
    """One forward and one backward pass; images on which the model has no gradient have slope zero."""
    with torch.enable_grad():
        images = probe.images.detach().requires_grad_()
        values = margin(probe.model(images).float(), probe.predicted)
        gradients = input_gradients(values, images)
    return Slopes(values=values.detach(), gradients=gradients.detach())


def unusable_gradients(probe: Probe, found: Slopes) -> Flag | None:
    """Gradients that no search can climb."""
    n, flat = len(probe), found.gradients.flatten(1).cpu().double()
    promised = flat.abs().sum(1) / probe.spread
    bad, zero = int((~promised.isfinite()).sum()), int((promised == 0).sum())
    tiny, huge = int((promised < TINY).sum()), int((promised > HUGE).sum())
    around = "Attack without gradients (Square, NES), or through a smooth stand-in for the step that has none (BPDA)."
    if bad > 0:
        return Flag(
            "nan_gradients",
            f"The gradient is NaN or infinite on {bad} of {n} images, where the logits are finite.",
            "Find the square root, logarithm or division that has no derivative there: gradient attacks stop at it.",
        )
    if zero > SOME * n:
        return Flag("zero_gradients", f"The gradient is exactly zero on {zero} of {n} images.", around)
    if tiny > SOME * n:
        return Flag(
            "vanishing_gradients",
            f"On {tiny} of {n} images the gradient promises less than {TINY:g} of the logits' spread over the whole "
            f"pixel box (median {float(promised.median()):.1e}).",
            around,
        )
    if huge > SOME * n:
        return Flag(
            "exploding_gradients",
            f"On {huge} of {n} images the gradient promises more than {HUGE:g} times the logits' spread over the "
            f"pixel box (median {float(promised.median()):.1e}).",
            "Look for a steep step (a threshold, a high temperature) in the model, and attack around it.",
        )
    return None


def misleading_gradients(probe: Probe, found: Slopes) -> Flag | None:
    """Gradients that are not the slope: steps and quantisation passed straight through, or a surface of splinters.

    A short step must change the margin as promised (a directional finite difference), and a moderate one along the
    gradient must raise it more than one in a random direction. Steps stay in the pixel box.
    """
    n, flat = len(probe), found.gradients.flatten(1)
    length = torch.linalg.vector_norm(flat, dim=1)
    longest = LONGEST * flat.shape[1] ** 0.5
    reach = (SHORT * probe.spread / length.clamp_min(torch.finfo(flat.dtype).tiny)).clamp_max(longest)
    # Scaling by the largest entry first: the square of a tiny gradient underflows.
    units = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    units = units / torch.linalg.vector_norm(units, dim=1, keepdim=True).clamp_min(1e-12)

    short, moved = _step(probe, found, units * reach[:, None])
    promised = (moved * flat).sum(1)
    usable = (promised > 0) & short.isfinite()
    if bool(usable.any()):
        ratio = float((short[usable] / promised[usable]).median())
        if not PREDICTS[0] <= ratio <= PREDICTS[1]:
            return Flag(
                "misleading_gradients",
                f"After a short step the margin has changed by {ratio:.2g} of what the gradient promised (median of "
                f"{int(usable.sum())} images, 1 if it is the slope).",
                "Look for a step that is not differentiable, or whose gradient was replaced; attack without "
                "gradients as well.",
            )
    random = signs(probe.images, probe.draw("direction")).flatten(1) * LONGEST
    along, _ = _step(probe, found, units * longest)
    across, _ = _step(probe, found, random)
    better = int((along > across).sum())
    if better >= BETTER * n:
        return None
    return Flag(
        "misleading_gradients",
        f"A step of 2/255 along the gradient raises the loss more than a random one on {better} of {n} images only.",
        "The surface is splintered: attack with gradients averaged over noise, larger steps, or no gradients at all.",
    )


def _step(probe: Probe, found: Slopes, change: torch.Tensor) -> tuple[PerExample, torch.Tensor]:
    """How the margins change, and by what the images really moved, the box considered."""
    moved = (probe.images + change.view_as(probe.images)).clamp(0, 1)
    after = margin(ask(probe.model, moved), probe.predicted)
    return after - found.values, (moved - probe.images).flatten(1)


__all__ = ["Slopes", "misleading_gradients", "slopes", "unusable_gradients"]
