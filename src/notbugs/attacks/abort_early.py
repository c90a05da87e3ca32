"""When a search around an image is not worth going on with: what `abort_early=True` means, in every attack alike.

Most of an audit's time goes to images that do not fall. What a search gains shrinks as it goes on, about as fast as
the steps double: one that would not get there if every further doubling brought several times what the last one did
will not get there. Where gradients are rough (a median filter will do), a search may stand still for one doubling and
go on in the next: what an earlier doubling gained counts as well, half as much after each.
"""

import math
from dataclasses import dataclass, replace
from typing import final

import torch

from notbugs.tensors import Mask, PerExample

FIRST_LOOK = 1 / 20
"""The share of its steps after which a search is first looked at; then each time that its steps have doubled.

From the second look on it has a pace."""

PACE = 6.0
"""How many times the gain of the last doubling is granted to each that is to come."""


@final
@dataclass(frozen=True)
class Outlook:
    """The highest lead of each search so far, that at the last look, and what it gained by then (a lead above 0 is a
    success).
    """

    steps: int
    first_look: int
    pace: float
    best: PerExample
    before: PerExample
    gained: PerExample

    def after(self, step: int, leads: PerExample) -> tuple["Outlook", Mask]:
        """The outlook after `step` steps, which have led here, and which searches are out of reach of a success."""
        best = torch.fmax(self.best, leads)
        if not self._is_time(step):
            return replace(self, best=best), torch.zeros_like(best, dtype=torch.bool)
        known = self.before.isfinite()  # not before the second look: nothing is given up then
        gained = torch.maximum(self.gained / 2, torch.where(known, best - self.before, 0))
        hopeless = known & (best + self.pace * gained * math.log2(self.steps / step) < 0)
        return replace(self, best=best, before=best, gained=gained), hopeless

    def take(self, rows: torch.Tensor) -> "Outlook":
        return replace(self, best=self.best[rows], before=self.before[rows], gained=self.gained[rows])

    def _is_time(self, step: int) -> bool:
        times, rest = divmod(step, self.first_look)
        return times >= 1 and step < self.steps and rest == 0 and times & (times - 1) == 0  # a power of two


def mark(abort_early: bool) -> str:
    """What the text of an attack says of it."""
    return "-early" if abort_early else ""


def outlook(like: PerExample, *, steps: int, first_look: int | None = None, pace: float = PACE) -> Outlook:
    """That of searches of so many steps, before the first; `first_look` is after FIRST_LOOK of them, or two.

    >>> ahead = outlook(torch.zeros(2), steps=20)
    >>> for step, leads in [(2, [-3.0, -3.0]), (4, [-2.5, -2.9])]:
    ...     ahead, hopeless = ahead.after(step, torch.tensor(leads))
    >>> hopeless.tolist()
    [False, True]
    """
    nothing = torch.full_like(like, -torch.inf)
    first = first_look or max(2, int(FIRST_LOOK * steps))
    return Outlook(steps, first, pace, nothing, nothing, torch.zeros_like(like))


__all__ = ["Outlook", "mark", "outlook"]
