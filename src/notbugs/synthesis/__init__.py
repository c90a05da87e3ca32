"""What a robust model can draw: an objective, a start and a threat on the ascent engine, nothing more."""

from notbugs.synthesis.drawing import Ascent, Drawing
from notbugs.synthesis.gaussians import ClassGaussians, fit_gaussians, load_gaussians, save_gaussians
from notbugs.synthesis.goals import FeatureDial, FeatureHeight
from notbugs.synthesis.inversion import interpolate, invert
from notbugs.synthesis.marked import Marked
from notbugs.synthesis.mending import filled, inpaint, shrunk, super_resolve
from notbugs.synthesis.morphing import generate, morph
from notbugs.synthesis.pace import Pace
from notbugs.synthesis.parametrization import OverFrequencies
from notbugs.synthesis.visualization import FeatureTable, feature_table, paint, turn, visualize

__all__ = [
    # what a drawing is
    "Ascent",
    "Drawing",
    "Pace",
    # classes
    "ClassGaussians",
    "filled",
    "fit_gaussians",
    "load_gaussians",
    "save_gaussians",
    "generate",
    "morph",
    # representations
    "interpolate",
    "invert",
    # features
    "FeatureTable",
    "feature_table",
    "paint",
    "turn",
    "visualize",
    # what is missing
    "inpaint",
    "shrunk",
    "super_resolve",
    # parts
    "FeatureDial",
    "FeatureHeight",
    "Marked",
    "OverFrequencies",
]
