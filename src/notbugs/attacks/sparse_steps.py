"""The pace of Auto-PGD in L1: sparse steps that change fewer and fewer values.

Croce & Hein 2021, "Mind the box" (arXiv 2103.01208), section 4 and algorithm 1. Inside ball and box together the
steepest step changes as many values as the box makes necessary, and how many that is shows in the best point so far.
"""

from dataclasses import dataclass, replace
from typing import final

import torch

from notbugs.l1_ball import open_to
from notbugs.tensors import Images, Mask, PerExample
from notbugs.threats import Threat

SHRINK = 1.5
"""Both how many times fewer values a step changes than the best point has changed, and how a step is shortened."""


@final
@dataclass(frozen=True)
class SparseSteps:
    """Where each image stands: its step size, and how many values its best point changed at the last checkpoint."""

    threat: Threat
    checkpoints: frozenset[int]
    step_sizes: PerExample
    changed: PerExample

    def moved(self, images: Images, previous: Images | None, gradients: Images, centers: Images) -> Images:
        """The same amount on each of the values with the largest gradients, projected; no momentum.

        Values that the box does not let move that way from the centre are passed over: black ones that would darken.
        """
        flat = gradients.flatten(1)
        sign = flat.sign()
        size = flat.abs() * open_to(sign, centers.flatten(1))
        wanted = (self.changed / SHRINK).ceil().clamp(1, flat.shape[1]).long()
        largest = size.topk(int(wanted.max()), dim=1).values
        threshold = largest.gather(1, wanted[:, None] - 1)
        direction = sign * ((size >= threshold) & (size > 0) | size.isnan())
        lengths = self.step_sizes[:, None] / direction.abs().sum(1, keepdim=True).clamp_min(1)
        return self.threat.project(images + (lengths * direction).view_as(images), centers)

    def adapted(
        self, rises: PerExample, steps: int, best: PerExample, found: Images, centers: Images
    ) -> tuple["SparseSteps", Mask]:
        """Start again from a best point that has become sparser, with the longest step; else shorten the step."""
        changed = (found - centers).flatten(1).count_nonzero(1).to(self.changed.dtype)
        sparser = changed < 0.95 * self.changed
        shorter = (self.step_sizes / SHRINK).clamp_min(self.threat.eps / 10)
        step_sizes = torch.where(sparser, self.threat.eps, shorter)
        return replace(self, step_sizes=step_sizes, changed=changed), sparser

    def take(self, rows: torch.Tensor) -> "SparseSteps":
        return replace(self, step_sizes=self.step_sizes[rows], changed=self.changed[rows])


def sparse_steps(threat: Threat, start: Images, centers: Images, *, steps: int) -> SparseSteps:
    """The pace at which a search of so many steps sets out from `start`: steps of the whole budget.

    >>> from notbugs.threats import L1
    >>> start, centers = torch.tensor([0.5, 0.25, 0.0]).view(1, 1, 1, 3), torch.zeros(1, 1, 1, 3)
    >>> pace = sparse_steps(L1(12), start, centers, steps=100)
    >>> pace.step_sizes.tolist(), pace.changed.tolist(), sorted(pace.checkpoints)[:3]
    ([12.0], [2.0], [4, 8, 12])
    """
    one = start.new_ones(len(start))
    changed = (start - centers).flatten(1).count_nonzero(1).to(one.dtype)
    every = max(4 * steps // 100, 1)
    return SparseSteps(threat, frozenset(range(every, steps, every)), threat.eps * one, changed)
