"""How far and how fast a drawing goes: budget, steps and step size, for images of any size."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

from notbugs.errors import NotbugsError, require_positive

FURTHEST = 1e9
"""L2, pixel units: more is a slip, and its square may be no number."""


@final
@dataclass(frozen=True, kw_only=True)
class Pace:
    """`steps` steps of L2 length `step_size` within L2 `eps`, both in pixel units of an image of side `side`.

    The step size is halved `halvings` times, at equal numbers of steps: one of fixed length circles its goal at that
    distance. Raises NotbugsError for values that make no search.
    """

    eps: float
    steps: int
    step_size: float
    halvings: int = 0
    side: float = 32

    def __post_init__(self) -> None:
        for name in ("steps", "step_size", "side"):
            require_positive(name, getattr(self, name))
        if not self.step_size <= FURTHEST:
            raise NotbugsError(f"step_size must be at most {FURTHEST:g}, got {self.step_size}")
        if not (self.eps > 0 and (self.eps <= FURTHEST or math.isinf(self.eps))):
            raise NotbugsError(
                f"eps must be positive and at most {FURTHEST:g}, got {self.eps}; inf leaves the pixel box alone"
            )
        if not 0 <= self.halvings < self.steps:
            raise NotbugsError(
                f"halvings must be at least 0 and fewer than steps, got {self.halvings} of {self.steps}"
            )

    @staticmethod
    def within(eps: float, *, steps: int) -> "Pace":
        """Steps that would go two and a half times as far as L2 `eps`, of an image of 32 pixels: they get there on a
        way that turns.
        """
        return Pace(eps=eps, steps=steps, step_size=2.5 * eps / steps)

    def scaled(self, height: int, width: int) -> "Pace":
        """The same change of each value in images of another size: an L2 length grows as the root of their number.

        >>> Pace(eps=40, steps=60, step_size=1, side=224).scaled(32, 32).step_size
        0.14285714285714285
        """
        side = math.sqrt(height * width)
        factor = side / self.side
        return replace(self, eps=self.eps * factor, step_size=self.step_size * factor, side=side)

    def legs(self, frames: int) -> tuple[tuple[int, float], ...]:
        """The way in parts, (steps, step size) each: cut where the step size is halved, and `frames` times evenly.

        >>> Pace(eps=1, steps=4, step_size=0.5, halvings=1).legs(4)
        ((1, 0.5), (1, 0.5), (1, 0.25), (1, 0.25))
        """
        halved = [self.steps * part // (self.halvings + 1) for part in range(1, self.halvings + 1)]
        looked = [self.steps * part // max(1, frames) for part in range(1, frames + 1)]
        ends = sorted({*halved, *looked, 0, self.steps})
        return tuple(
            (end - begin, self.step_size / 2 ** sum(at <= begin for at in halved))
            for begin, end in pairwise(ends)
        )


__all__ = ["Pace"]
