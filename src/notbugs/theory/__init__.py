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
]
