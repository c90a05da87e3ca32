"""Two classes divided by an ellipsoid: how near the nearest adversarial image is, although the model is not linear.

Class 0 lies inside: its logit is level - sum_i a_i (x_i - c_i)^2, that of class 1 is 0; every a_i and the level are
positive, and equal a_i make a sphere of radius sqrt(level / a). By symmetry only u_i = |x_i - c_i| matters, and the
distance asked for is the least norm of a change that reaches the surface, sum_i a_i y_i^2 = level. Write D for
level - sum_i a_i u_i^2, positive inside.

Linf  Inside, the best change of size t moves every value outwards by t: sum_i a_i (u_i + t)^2 = level. Outside it
      moves every value inwards, none past its centre: sum_i a_i max(u_i - t, 0)^2 = level. Both are quadratic in t;
      the second has other terms between any two neighbouring u_i, so these are sorted.
L1    Inside, a convex function is to be raised: it is largest at a corner of the L1 ball, where one value moves
      alone, by -u_i + sqrt(u_i^2 + D / a_i). Outside, by Lagrange, each value keeps min(u_i, s / a_i) for one s of
      all, and sum_i a_i min(u_i, s / a_i)^2 = level; between any two neighbouring a_i u_i this gives s.
L2    y_i = u_i / (1 + v a_i) with the v that brings y to the surface. The squared distance is the maximum of the
      concave dual, sum_i v a_i u_i^2 / (1 + v a_i) - v level over v >= -1 / max a: with one quadratic constraint
      there is no gap (Moré 1993, "Generalizations of the trust region problem"), also where u_i = 0 along the axis
      of the largest a_i and y is not unique. The one equation is solved by bisection; a sphere gives |R - |u||.

The pixel box is left out. No change of size t in any of the three norms moves a value by more than t, so the box
plays no part where every value lies at least the distance away from 0 and from 1 (`box_is_far`); elsewhere the
distances here are lower bounds. All is computed in float64 and returned in the images' dtype.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError
from notbugs.tensors import Images, Logits, Mask, PerExample

Center = Float[Tensor, "channel height width"]
Curvatures = Float[Tensor, "channel height width"]
Rows = Float[Tensor, "batch values"]


def quadratic_logits(images: Images, center: Center, curvatures: Curvatures, level: float) -> Logits:
    """level - sum_i a_i (x_i - c_i)^2 for class 0, inside the ellipsoid, and 0 for class 1.

    >>> quadratic_logits(torch.full((1, 1, 1, 2), 0.5), torch.zeros(1, 1, 2), torch.ones(1, 1, 2), 0.75)
    tensor([[0.2500, 0.0000]])
    """
    inside = level - (curvatures * (images - center).square()).flatten(1).sum(1)
    return torch.stack([inside, torch.zeros_like(inside)], dim=1)


def linf_to_ellipsoid(images: Images, center: Center, curvatures: Curvatures, level: float) -> PerExample:
    """The least Linf norm of a change that brings each image to the surface. Raises NotbugsError for no ellipsoid.

    >>> linf_to_ellipsoid(torch.full((1, 1, 1, 2), 0.5), torch.full((1, 1, 2), 0.5), torch.ones(1, 1, 2), 0.08).item()
    0.20000000298023224
    """
    u, a = _offsets(images, center, curvatures, level)
    outwards = _root(a.sum(1), (a * u).sum(1), (a * u.square()).sum(1) - level)
    # From outside only the k values that lie farther than t from their centres still count; k is found by trying all.
    u, order = u.sort(1, descending=True)
    a = a.gather(1, order)
    square, linear, constant = a.cumsum(1), -(a * u).cumsum(1), (a * u.square()).cumsum(1) - level
    below = torch.cat([u[:, 1:], torch.zeros_like(u[:, :1])], dim=1)
    inwards = _first(_smaller_root(square, linear, constant), below, u)
    return torch.where(_is_inside(u, a, level), outwards, inwards).to(images.dtype)


def l1_to_ellipsoid(images: Images, center: Center, curvatures: Curvatures, level: float) -> PerExample:
    """The least L1 norm of a change that brings each image to the surface. Raises NotbugsError for no ellipsoid.

    >>> l1_to_ellipsoid(torch.full((1, 1, 1, 2), 0.5), torch.full((1, 1, 2), 0.5), torch.ones(1, 1, 2), 0.09).item()
    0.30000001192092896
    """
    u, a = _offsets(images, center, curvatures, level)
    missing = (level - (a * u.square()).sum(1, keepdim=True)).clamp_min(0)
    outwards = ((u.square() + missing / a).sqrt() - u).amin(1)
    # From outside the values with a_i u_i > s are cut down to s / a_i: the first k in falling order of a_i u_i.
    order = (a * u).argsort(1, descending=True)
    u, a = u.gather(1, order), a.gather(1, order)
    kept = (a * u.square()).flip(1).cumsum(1).flip(1) - a * u.square()  # of those after the first k
    s = ((level - kept).clamp_min(0) / (1 / a).cumsum(1)).sqrt()
    below = torch.cat([(a * u)[:, 1:], torch.zeros_like(u[:, :1])], dim=1)
    s = _first(torch.where(kept <= level, s, torch.nan), below, a * u)
    inwards = (u - s[:, None] / a).clamp_min(0).sum(1)
    return torch.where(_is_inside(u, a, level), outwards, inwards).to(images.dtype)


def l2_to_ellipsoid(images: Images, center: Center, curvatures: Curvatures, level: float) -> PerExample:
    """The least L2 norm of a change that brings each image to the surface. Raises NotbugsError for no ellipsoid.

    >>> l2_to_ellipsoid(torch.full((1, 1, 1, 2), 0.5), torch.zeros(1, 1, 2), torch.ones(1, 1, 2), 2.0).item()
    0.7071067690849304
    """
    u, a = _offsets(images, center, curvatures, level)
    weighted = a * u.square()
    low = -1 / a.amax(1, keepdim=True)
    high = ((weighted.sum(1, keepdim=True) / level).sqrt() - 1).clamp_min(0) / a.amin(1, keepdim=True)
    for _ in range(120):
        middle = (low + high) / 2
        too_far_out = (weighted / (1 + middle * a).clamp_min(1e-150).square()).sum(1, keepdim=True) > level
        low, high = torch.where(too_far_out, middle, low), torch.where(too_far_out, high, middle)
    v = (low + high) / 2
    squared = (v * weighted / (1 + v * a).clamp_min(1e-150)).sum(1) - v[:, 0] * level
    return squared.clamp_min(0).sqrt().to(images.dtype)


def box_is_far(images: Images, distances: PerExample) -> Mask:
    """Where no change of that size can leave [0, 1]: there the distances are exact, whatever the norm.

    >>> box_is_far(torch.full((1, 1, 1, 2), 0.75), torch.tensor([0.2])).item()
    True
    """
    flat = images.flatten(1)
    return torch.minimum(flat, 1 - flat).amin(1) >= distances


def _offsets(images: Images, center: Center, curvatures: Curvatures, level: float) -> tuple[Rows, Rows]:
    if not level > 0 or not bool((curvatures > 0).all()):
        raise NotbugsError(
            f"an ellipsoid needs a positive level and positive curvatures, got {level} and a smallest "
            f"curvature of {float(curvatures.min())}"
        )
    u = (images.double() - center.double()).abs().flatten(1)
    return u, curvatures.double().flatten().expand_as(u)


def _is_inside(u: Rows, a: Rows, level: float) -> Mask:
    return (a * u.square()).sum(1) <= level


def _root(square: PerExample, linear: PerExample, constant: PerExample) -> PerExample:
    """The positive t with square t^2 + 2 linear t + constant = 0, for constant <= 0; without cancellation."""
    return -constant.clamp_max(0) / (linear + (linear.square() - square * constant.clamp_max(0)).sqrt())


def _smaller_root(square: Rows, linear: Rows, constant: Rows) -> Rows:
    """The smaller t with square t^2 + 2 linear t + constant = 0, for linear < 0; NaN if there is none."""
    return constant / ((linear.square() - square * constant).sqrt() - linear)


def _first(candidates: Rows, low: Rows, high: Rows) -> PerExample:
    """The candidate of each row that lies in its own interval; of neighbours that share an end, the first."""
    fits = (candidates >= low * (1 - 1e-12)) & (candidates <= high * (1 + 1e-12))
    return candidates.gather(1, fits.int().argmax(1, keepdim=True))[:, 0]


__all__ = ["box_is_far", "l1_to_ellipsoid", "l2_to_ellipsoid", "linf_to_ellipsoid", "quadratic_logits"]
