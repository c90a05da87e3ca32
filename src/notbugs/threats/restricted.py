"""A threat held to a family of features: the adversary may change these and nothing else."""

import math
from dataclasses import dataclass
from typing import final

import torch

from notbugs.errors import NotbugsError
from notbugs.seeds import Rows
from notbugs.tensors import Images, PerExample
from notbugs.threats.families import Family
from notbugs.threats.norms import L2, Linf
from notbugs.threats.threat import Threat

LEAK = 0.01
"""How much of a change may lie outside its family, as a share of the largest change: the box cuts bands off."""

ROUNDS = 300
"""Of alternating projections, at most, on the images that have not met yet: white ground needs a hundred and more."""


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

        An image where these have not met after ROUNDS is shortened until it fits, and then not the nearest: the box
        cuts a wave off at every saturated pixel.
        """
        found, allowed = centers.clone(), self._allowed(images)
        rows = torch.arange(len(images), device=images.device)
        change = self.family.keep(images - centers)
        inside, correction = change, torch.zeros_like(change)
        for _ in range(ROUNDS):
            about, target = centers[rows], change + correction
            inside = self.threat.project(about + target, about) - about
            correction, change = target - inside, self.family.keep(inside)
            met = _length(inside - change) <= 0.9 * allowed
            if bool(met.any()):
                found[rows[met]] = (about + inside)[met]
                rows, change, correction = rows[~met], change[~met], correction[~met]
            if len(rows) == 0:
                return found.clamp_(0, 1)
        found[rows] = self._shortened(change, centers[rows], allowed)
        return found.clamp_(0, 1)

    def _shortened(self, change: Images, centers: Images, allowed: float) -> Images:
        """Inside the family and the ball; what the box then cuts off decides how far the change may go."""
        length = self.threat.size(centers + change, centers).clamp_min(1e-30)
        change = change * (self.eps / length).clamp_max(1).view(-1, 1, 1, 1)
        inside = (centers + change).clamp(0, 1) - centers
        outside = _length(inside - self.family.keep(inside))
        return centers + inside * (0.9 * allowed / outside.clamp_min(1e-30)).clamp_max(1).view(-1, 1, 1, 1)

    def ascent_direction(self, gradients: Images, images: Images | None = None) -> Images:
        return self.threat.ascent_direction(self.family.keep(gradients), images)

    def random_start(self, centers: Images, generator: torch.Generator, rows: Rows | None = None) -> Images:
        """A uniform draw from the ball, brought into the family."""
        return self.project(self.threat.random_start(centers, generator, rows), centers)

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
