"""What every threat is: the images that an adversary may turn each image into."""

from abc import ABC, abstractmethod

import torch

from notbugs.seeds import Rows
from notbugs.tensors import Images, PerExample

TOLERANCE = 1e-5
"""How far past eps a measured size may lie: float32 rounding of centre + perturbation, nothing more."""


class Threat(ABC):
    """A set of images around each centre, inside the pixel box [0, 1]. Subclasses are final frozen values."""

    eps: float

    @abstractmethod
    def size(self, images: Images, centers: Images) -> PerExample:
        """How far each image lies from its centre, in the threat's norm."""

    @abstractmethod
    def project(self, images: Images, centers: Images) -> Images:
        """The nearest images (in L2) inside both the ball and the box; centres must lie in the box."""

    @abstractmethod
    def ascent_direction(self, gradients: Images, images: Images | None = None) -> Images:
        """The unit step that raises a linear objective fastest; zero where the gradient is zero.

        A norm that would spend the whole step on values that already stand at a wall of the box (L1) passes over
        these if it is told the `images`.
        """

    @abstractmethod
    def random_start(self, centers: Images, generator: torch.Generator, rows: Rows | None = None) -> Images:
        """One uniform draw from each ball, brought into the box; `rows`: which part of a batch the centres are."""

    def contains(self, images: Images, centers: Images) -> torch.Tensor:
        """Which images lie in ball and box, up to TOLERANCE. NaN lies nowhere."""
        flat = images.flatten(1)
        in_box = (flat >= 0).all(1) & (flat <= 1).all(1)
        return in_box & (self.size(images, centers) <= self.eps + TOLERANCE)

    def scaled(self, factor: float) -> "Threat":
        """The same threat with its budget multiplied by `factor`."""
        return type(self)(self.eps * factor)  # type: ignore[call-arg]


__all__ = ["TOLERANCE", "Threat"]
