"""The pace of Auto-PGD in L2 and Linf: momentum, and steps that are halved where they stop paying.

Croce & Hein 2020 (arXiv 2003.01690), section 3 and algorithm 1.
"""

from dataclasses import dataclass, replace
from typing import final

import torch

from notbugs.tensors import Images, Mask, PerExample
from notbugs.threats import Threat

RISING = 0.75
"""rho: the share of steps that must raise the objective, or the step is too long."""


@final
@dataclass(frozen=True)
class HalvingSteps:
    """Where each image stands: its step size, and its best value and what was done at the last checkpoint."""

    threat: Threat
    checkpoints: frozenset[int]
    step_sizes: PerExample
    best: PerExample
    halved: Mask

    def moved(self, images: Images, previous: Images | None, gradients: Images, centers: Images) -> Images:
        """A projected step, then three quarters of the way there and a quarter of the last way again."""
        steps = self.step_sizes.view(-1, 1, 1, 1)
        aim = self.threat.project(images + steps * self.threat.ascent_direction(gradients), centers)
        if previous is None:
            return aim
        # x + 3/4 (aim - x) + 1/4 (x - previous), in three passes over memory
        carried = torch.sub(images, previous, alpha=0.5).mul_(0.5).add_(aim, alpha=0.75)
        return self.threat.project(carried, centers)

    def adapted(
        self, rises: PerExample, steps: int, best: PerExample, found: Images, centers: Images
    ) -> tuple["HalvingSteps", Mask]:
        """Halve where too few steps rose (condition 1), or where the step was kept and found nothing better (2)."""
        halve = (rises < RISING * steps) | (~self.halved & (best <= self.best))
        step_sizes = torch.where(halve, self.step_sizes / 2, self.step_sizes)
        return replace(self, step_sizes=step_sizes, best=best, halved=halve), halve

    def take(self, rows: torch.Tensor) -> "HalvingSteps":
        return replace(self, step_sizes=self.step_sizes[rows], best=self.best[rows], halved=self.halved[rows])


def halving_steps(threat: Threat, images: Images, *, steps: int) -> HalvingSteps:
    """The pace at which a search of so many steps sets out: steps of twice the budget.

    >>> from notbugs.threats import L2
    >>> pace = halving_steps(L2(0.5), torch.zeros(2, 1, 1, 1), steps=100)
    >>> pace.step_sizes.tolist(), sorted(pace.checkpoints)
    ([1.0, 1.0], [22, 41, 57, 70, 80, 87, 93, 99])
    """
    one = images.new_ones(len(images))
    return HalvingSteps(
        threat,
        checkpoints(steps),
        2 * threat.eps * one,
        -torch.inf * one,
        torch.ones_like(one, dtype=torch.bool),
    )


def checkpoints(steps: int) -> frozenset[int]:
    """w_j = ceil(p_j * steps): p_1 = 0.22, and each period is 0.03 shorter than the one before, at least 0.06."""
    found, percent, period = set(), 22, 22
    while percent <= 100:
        found.add(-(-percent * steps // 100))
        period = max(period - 3, 6)
        percent += period
    return frozenset(found)
