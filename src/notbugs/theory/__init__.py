"""Closed forms, each beside its experiment; also the tests' oracle."""

from notbugs.theory.accurate_and_robust import TwoFeatures
from notbugs.theory.gaussian import (
    RobustFit,
    linear_accuracy,
    penalized_gap,
    robust_fit,
    robust_loss,
    worst_alignment,
)
from notbugs.theory.gaussian_descent import descended_fit, pointwise_fit, worst_points
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
from notbugs.theory.perturbation_learning import OneHiddenLayer, learned_accuracy, limit_output, perturbed
from notbugs.theory.quadratic import (
    box_is_far,
    l1_to_ellipsoid,
    l2_to_ellipsoid,
    linf_to_ellipsoid,
    quadratic_logits,
)
from notbugs.theory.sample_complexity import BernoulliModel, GaussianModel
from notbugs.theory.tradeoff import Tradeoff

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
    # two Gaussians fitted under attack
    "RobustFit",
    "descended_fit",
    "linear_accuracy",
    "penalized_gap",
    "pointwise_fit",
    "robust_fit",
    "robust_loss",
    "worst_alignment",
    "worst_points",
    # robustness and accuracy, at odds and not
    "Tradeoff",
    "TwoFeatures",
    # how many points robustness needs
    "BernoulliModel",
    "GaussianModel",
    # learning from perturbations alone
    "OneHiddenLayer",
    "learned_accuracy",
    "limit_output",
    "perturbed",
]
