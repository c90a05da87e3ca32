"""What a drawing is, and how every one is made: an objective, a start and a pace on the ascent engine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import torch

from notbugs.attacks import projected_ascent
from notbugs.models import frozen
from notbugs.progress import Progress, silent
from notbugs.synthesis.pace import Pace
from notbugs.tensors import Classifier, Images, Objective, PerExample
from notbugs.threats import L2, Threat


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """Images that a model drew, and the way there.

    `path`: what they looked like on the way, from the start to the end. `before` and `after`: the objective at both.
    `sizes`: how far the images moved from `centers`, in the norm of the threat, in pixel units.
    """

    images: Images
    path: tuple[Images, ...]
    before: PerExample
    after: PerExample
    sizes: PerExample

    @property
    def start(self) -> Images:
        return self.path[0]


def draw(
    model: Classifier,
    objective: Objective,
    start: Images,
    pace: Pace,
    *,
    within: Callable[[L2], Threat] | None = None,
    frames: int = 0,
    progress: Progress = silent,
) -> Drawing:
    """Climb `objective`, which asks `model`, from `start`; `frames` looks on the way are kept.

    The pace is taken to the size of the images, the model held still. `within` makes of the L2 ball of the pace's eps
    what the images may become, around the start; by default that is the ball.

    >>> def brightness(images):
    ...     return images.mean((1, 2, 3))
    >>> grey, pace = torch.full((1, 3, 4, 4), 0.5), Pace(eps=1, steps=4, step_size=0.3, side=4)
    >>> drawn = draw(brightness, brightness, grey, pace, frames=2)
    >>> len(drawn.path), round(drawn.sizes.item(), 3), bool(drawn.after > drawn.before)
    (3, 1.0, True)
    """
    pace = pace.scaled(*start.shape[2:])
    ball = L2(pace.eps)
    threat = within(ball) if within else ball
    with frozen(model):
        path = [start, *ascending(objective, start, pace, threat=threat, frames=frames, progress=progress)]
        with torch.no_grad():
            before, after = objective(start), objective(path[-1])
    wanted = path if frames else [start, path[-1]]
    return Drawing(
        images=path[-1], path=tuple(wanted), before=before, after=after, sizes=threat.size(path[-1], start)
    )


def ascending(
    objective: Objective,
    start: Images,
    pace: Pace,
    *,
    threat: Threat,
    frames: int = 0,
    progress: Progress = silent,
) -> Iterator[Images]:
    """The images after each leg of the way, as it is gone: for whoever wants to watch. The pace is for their size."""
    images, done = start, 0
    for steps, step_size in pace.legs(frames):
        images = projected_ascent(
            objective, images, threat=threat, centers=start, steps=steps, step_size=step_size, keep="last"
        )
        done += steps
        progress(done, pace.steps, "")
        yield images


__all__ = ["Drawing", "ascending", "draw"]
