"""Linear classifiers under attack, in closed form: what every attack must reach, and none can exceed.

Class k has weights a_k, an image, and a bias b_k; its logit is <a_k, x> + b_k. Over all changes d of size <= eps
the largest <a, d> is eps * ||a||_*, the dual norm: L2 for L2, L1 for Linf, Linf for L1. The rest follows, Goh's
decomposition of robust usefulness among it: E[y f(x)] - eps * ||a||_* (Distill 2019, "Two Examples of Useful,
Non-Robust Features").

The pixel box is left out. It binds where image + best_change leaves [0, 1] (`box_binds`); there the adversary
can only do less, and each robust margin, flip size and accuracy here is a lower bound, strictly so or not.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError
from notbugs.tensors import Images, Labels, Logits, Mask, PerExample
from notbugs.threats import L1, L2, Linf, Threat

Weights = Float[Tensor, "classes channel height width"]
Biases = Float[Tensor, "classes"]


def linear_logits(images: Images, weights: Weights, biases: Biases) -> Logits:
    """<a_k, x> + b_k for every image x and class k."""
    return images.flatten(1) @ weights.flatten(1).T + biases


def dual_norm(directions: Images, threat: Threat) -> PerExample:
    """sup <a, d> over all d of size 1 in the threat's norm, for each direction a; eps plays no part.

    >>> a = torch.tensor([3.0, -4.0]).view(1, 1, 1, 2)
    >>> dual_norm(a, L2(0.5)).item(), dual_norm(a, Linf(0.5)).item(), dual_norm(a, L1(0.5)).item()
    (5.0, 7.0, 4.0)
    """
    flat = directions.flatten(1)
    match threat:
        case L2():
            return torch.linalg.vector_norm(flat, dim=1)
        case Linf():
            return flat.abs().sum(1)
        case L1():
            return flat.abs().amax(1)
    raise NotbugsError(f"no closed form for the threat {threat} (known: l2, linf, l1)")


def best_change(directions: Images, threat: Threat) -> Images:
    """The change d of size <= eps with the largest <a, d>, for each direction a; zero where a is zero.

    >>> a = torch.tensor([3.0, -4.0]).view(1, 1, 1, 2)
    >>> best_change(a, L2(0.5)).flatten().tolist()
    [0.30000001192092896, -0.4000000059604645]
    >>> best_change(a, Linf(0.5)).flatten().tolist()
    [0.5, -0.5]
    >>> best_change(a, L1(0.5)).flatten().tolist()
    [0.0, -0.5]
    """
    match threat:
        case L2():
            length = dual_norm(directions, threat).view(-1, 1, 1, 1)
            return torch.where(length > 0, threat.eps * directions / length, 0)
        case Linf():
            return threat.eps * directions.sign()
        case L1():
            return threat.eps * threat.ascent_direction(directions)  # all of it where |a| is largest
    raise NotbugsError(f"no closed form for the threat {threat} (known: l2, linf, l1)")


def largest_value(values: PerExample, directions: Images, threat: Threat) -> PerExample:
    """The most that an objective <a, x> + const, now at `values`, can be raised to: value + eps * ||a||_*."""
    return values + threat.eps * dual_norm(directions, threat)


def robust_margin(margins: PerExample, directions: Images, threat: Threat) -> PerExample:
    """The least that a margin <a, x> + const, now at `margins`, can be lowered to: margin - eps * ||a||_*.

    With margins y * f(x), the mean is Goh's robust usefulness of the feature f.

    >>> a = torch.tensor([3.0, -4.0]).view(1, 1, 1, 2)
    >>> robust_margin(torch.tensor([2.0]), a, L2(0.5)).tolist()
    [-0.5]
    """
    return margins - threat.eps * dual_norm(directions, threat)


def box_binds(images: Images, changes: Images) -> Mask:
    """Where image + change leaves [0, 1]: there the closed forms are bounds, not values."""
    moved = (images + changes).flatten(1)
    return ((moved < 0) | (moved > 1)).any(1)


def flip_sizes(
    images: Images, labels: Labels, weights: Weights, biases: Biases, threat: Threat
) -> Float[Tensor, "batch classes"]:
    """The size of the smallest change that makes each other class k overtake the label, in the threat's norm:
    (logit_label - logit_k) / ||a_label - a_k||_*, at least 0; infinite at the label itself, and for a class that
    no change can lift above it.

    >>> weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2)
    >>> images = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    >>> flip_sizes(images, torch.tensor([0]), weights, torch.zeros(2), L2(1.0))
    tensor([[   inf, 0.7071]])
    """
    logits = linear_logits(images, weights, biases)
    gaps = logits.gather(1, labels[:, None]) - logits
    duals = torch.stack([dual_norm(own - weights, threat) for own in weights])[labels]
    sizes = torch.where(gaps > 0, gaps / duals, 0)
    return sizes.scatter(1, labels[:, None], torch.inf)


def robust_accuracy(
    images: Images, labels: Labels, weights: Weights, biases: Biases, threat: Threat
) -> float:
    """The share of images that no change of size <= eps moves to another class than their label."""
    return float((flip_sizes(images, labels, weights, biases, threat).amin(1) > threat.eps).double().mean())


__all__ = [
    "best_change",
    "box_binds",
    "dual_norm",
    "flip_sizes",
    "largest_value",
    "linear_logits",
    "robust_accuracy",
    "robust_margin",
]
