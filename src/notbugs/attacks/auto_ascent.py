"""Ascent without a step size to choose: it adapts its steps at checkpoints and goes back to the best point.

What the searches of Auto-PGD share (Croce & Hein 2020, algorithm 1; 2021, algorithm 1). How a norm moves and
adapts is its `Pace`. `projected_ascent` is the plain loop, with a fixed step.
"""

from typing import Protocol, runtime_checkable

import torch

from notbugs.attacks.abort_early import outlook
from notbugs.attacks.ascent import slopes
from notbugs.attacks.in_turn import Climb
from notbugs.errors import NotbugsError, SearchMetNaNError
from notbugs.room import Room
from notbugs.tensors import Images, Mask, Objective, PerExample
from notbugs.threats import Threat


@runtime_checkable
class Pace(Protocol):
    """How a search moves, and what it changes at its checkpoints: a frozen value with one entry per image."""

    @property
    def checkpoints(self) -> frozenset[int]:
        """After how many steps `adapted` is asked."""
        ...

    def moved(self, images: Images, previous: Images | None, gradients: Images, centers: Images) -> Images:
        """The next point; `previous` is None at the first step."""
        ...

    def adapted(
        self, rises: PerExample, steps: int, best: PerExample, found: Images, centers: Images
    ) -> tuple["Pace", Mask]:
        """The pace from here on, and which images go back to their best point.

        `rises`: how many of the `steps` since the last checkpoint raised the objective; `best`: the highest value
        so far, `found`: where it was.
        """
        ...

    def take(self, rows: torch.Tensor) -> "Pace": ...


def auto_ascent(
    objective: Objective,
    start: Images,
    *,
    threat: Threat,
    centers: Images,
    steps: int,
    pace: Pace,
    stop_when_finished: bool = False,
    abort_early: bool = False,
) -> Climb:
    """Climb `objective` from `start` at the given pace, staying in the threat; the best point of each image counts.

    With `stop_when_finished` an image leaves the batch the moment its objective calls it finished (the objective
    must then be a RowObjective), and with `abort_early` as well when that is out of its reach. Rows do not influence
    each other. Cost: `steps` gradients and one value.

    Raises NotbugsError if the search runs into NaN, and for `abort_early` without `stop_when_finished`.

    >>> from notbugs.attacks.halving_steps import halving_steps
    >>> from notbugs.threats import L2
    >>> centers = torch.full((1, 1, 1, 2), 0.5)
    >>> pace = halving_steps(L2(0.25), centers, steps=5)
    >>> auto_ascent(lambda x: x[:, 0, 0, 0], centers, threat=L2(0.25), centers=centers, steps=5, pace=pace).images
    tensor([[[[0.7500, 0.5000]]]])
    """
    if abort_early and not stop_when_finished:
        raise NotbugsError("abort_early needs stop_when_finished: without it no image leaves the search")
    images = threat.project(start, centers).detach()
    previous: Images | None = None
    active = torch.arange(len(images), device=images.device)
    # Of all images, those that have left included: the best point, its value and its gradient.
    found, found_gradients = images.clone(), torch.zeros_like(images)
    best = images.new_full((len(images),), -torch.inf)
    done = torch.zeros_like(active, dtype=torch.bool)
    # Of the active ones: the last value, and how often it has risen since the last checkpoint.
    last, rises, checked_at = best, torch.zeros_like(best), 0
    ahead = outlook(best, steps=steps)
    met_nan = torch.zeros((), dtype=torch.bool, device=images.device)
    room = Room(len(images))
    for step in range(steps + 1):
        climbing = step < steps
        values, leads, gradients = slopes(objective, images, room, stop_when_finished, climbing=climbing)
        values, finished = values.to(best.dtype), leads > 0
        met_nan |= values.isnan().any()
        settled = (finished | (values > best[active])).nonzero()[:, 0]
        found[active[settled]] = images[settled]
        found_gradients[active[settled]] = gradients[settled]
        best[active[settled]] = values[settled]
        done[active] = finished
        if not climbing:
            break
        rises += (values > last) if step > 0 else 0
        last = values
        leaving = finished
        if abort_early:
            ahead, hopeless = ahead.after(step, leads.to(best.dtype))
            leaving = finished | hopeless
        if stop_when_finished and bool(leaving.any()):
            going = (~leaving).nonzero()[:, 0]
            if len(going) == 0:
                break
            active, images, centers, gradients = (
                active[going],
                images[going],
                centers[going],
                gradients[going],
            )
            last, rises, ahead = last[going], rises[going], ahead.take(going)
            previous = None if previous is None else previous[going]
            objective, pace = objective.take(going), pace.take(going)  # type: ignore[attr-defined]
        if step in pace.checkpoints:
            pace, back = pace.adapted(rises, step - checked_at, best[active], found[active], centers)
            rises, checked_at = torch.zeros_like(rises), step
            rows = back.nonzero()[:, 0]
            images[rows], gradients[rows] = found[active[rows]], found_gradients[active[rows]]
            last[rows] = best[active[rows]]
        images, previous = pace.moved(images, previous, gradients, centers), images
    if bool(met_nan | ~images.isfinite().all()):
        raise SearchMetNaNError
    return Climb(found, best, done)
