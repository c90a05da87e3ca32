"""Closed forms, each beside its experiment; also the tests' oracle."""

from notbugs.theory.linear import (
    best_change,
    box_binds,
    dual_norm,
    flip_sizes,
    largest_value,
    linear_logits,
    robust_accuracy,
    robust_margin,
)
from notbugs.theory.quadratic import (
    box_is_far,
    l1_to_ellipsoid,
    l2_to_ellipsoid,
    linf_to_ellipsoid,
    quadratic_logits,
)

__all__ = [
    # linear classifiers under attack
    "best_change",
    "box_binds",
    "dual_norm",
    "flip_sizes",
    "largest_value",
    "linear_logits",
    "robust_accuracy",
    "robust_margin",
    # two classes divided by an ellipsoid
    "box_is_far",
    "l1_to_ellipsoid",
    "l2_to_ellipsoid",
    "linf_to_ellipsoid",
    "quadratic_logits",
]
