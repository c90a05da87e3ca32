"""A threat held to a family of features: the adversary may change these and nothing else."""

import math
from dataclasses import dataclass
from typing import final

import torch

from notbugs.errors import NotbugsError
from notbugs.tensors import Images, PerExample
from notbugs.threats.families import Family
from notbugs.threats.norms import L2, Linf
from notbugs.threats.threat import Threat

LEAK = 0.01
"""How much of a change may lie outside its family, as a share of the largest change: the box cuts bands off."""

ROUNDS = 20


@final
@dataclass(frozen=True)
class Restricted(Threat):
    """Changes of a family inside a ball of L2 or L∞ and inside the pixel box.

    Training and attacking within a family decides which features a model may use: against all changes of a feature no
    model can rely on it. Raises NotbugsError for another ball.

    >>> from notbugs.threats import parse_threat
    >>> threat, centers = parse_threat("l2:2@region:0,0,1x2"), torch.full((1, 1, 2, 2), 0.5)
    >>> threat.project(centers + 0.25, centers).flatten().tolist()
    [0.75, 0.75, 0.5, 0.5]
    """

    threat: Threat
    family: Family

    def __post_init__(self) -> None:
        if not isinstance(self.threat, L2 | Linf):
            raise NotbugsError(f"{self.threat} cannot be held to {self.family}; take l2 or linf")

    @property
    def eps(self) -> float:  # type: ignore[override]
        return self.threat.eps

    def __str__(self) -> str:
        return f"{self.threat}@{self.family}"

    def size(self, images: Images, centers: Images) -> PerExample:
        """In the ball's norm; infinite where more of the change than LEAK allows lies outside the family."""
        change = images - centers
        outside = _length(change - self.family.keep(change))
        return self.threat.size(images, centers).masked_fill(outside > self._allowed(images), math.inf)

    def project(self, images: Images, centers: Images) -> Images:
        """The nearest images inside family, ball and box, by Dykstra's alternating projections (1983).

        Where these have not met after ROUNDS the change is shortened until it fits: the box cuts a wave off at every
        saturated pixel.
        """
        change = self.family.keep(images - centers)
        correction = torch.zeros_like(change)
        allowed = self._allowed(images)
        for _ in range(ROUNDS):
            target = change + correction
            inside = self.threat.project(centers + target, centers) - centers
            correction = target - inside
            change = self.family.keep(inside)
            outside = _length(inside - change)
            if bool((outside <= 0.9 * allowed).all()):
                break
        else:  # inside the family and the ball at least; what the box then cuts off decides how far it may go
            length = self.threat.size(centers + change, centers).clamp_min(1e-30)
            change = change * (self.eps / length).clamp_max(1).view(-1, 1, 1, 1)
            inside = (centers + change).clamp(0, 1) - centers
            outside = _length(inside - self.family.keep(inside))
        shorter = (0.9 * allowed / outside.clamp_min(1e-30)).clamp_max(1).view(-1, 1, 1, 1)
        return (centers + inside * shorter).clamp_(0, 1)

    def ascent_direction(self, gradients: Images, images: Images | None = None) -> Images:
        return self.threat.ascent_direction(self.family.keep(gradients), images)

    def random_start(self, centers: Images, generator: torch.Generator) -> Images:
        """A uniform draw from the ball, brought into the family."""
        return self.project(self.threat.random_start(centers, generator), centers)

    def scaled(self, factor: float) -> "Restricted":
        return Restricted(self.threat.scaled(factor), self.family)

    def _allowed(self, images: Images) -> float:
        """The L2 length that may lie outside the family; rounding where the ball has no end."""
        if not math.isfinite(self.eps):
            return 1e-3
        values = math.prod(images.shape[1:])
        radius = self.eps * (math.sqrt(values) if isinstance(self.threat, Linf) else 1.0)
        return LEAK * radius + 1e-5


def _length(change: Images) -> PerExample:
    return torch.linalg.vector_norm(change.flatten(1), dim=1)


__all__ = ["LEAK", "Restricted"]
