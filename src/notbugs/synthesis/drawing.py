"""What every drawing is: an objective, a start, a threat and a pace on the ascent engine."""

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
    `sizes`: how far the images moved from the start, in the norm of the threat, in pixel units.
    """

    images: Images
    path: tuple[Images, ...]
    before: PerExample
    after: PerExample
    sizes: PerExample

    @property
    def start(self) -> Images:
        return self.path[0]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Ascent:
    """A drawing to be made: `draw()` makes it, `looks()` lets it be watched.

    The way climbs `objective`, which asks `model`, from `start`, within `threat` around it; `pace` is for images of
    the start's size.
    """

    model: Classifier
    objective: Objective
    start: Images
    threat: Threat
    pace: Pace

    @staticmethod
    def of(
        model: Classifier,
        objective: Objective,
        start: Images,
        pace: Pace,
        *,
        within: Callable[[L2], Threat] | None = None,
    ) -> "Ascent":
        """With the pace taken to the size of the images. `within` makes of the L2 ball of the pace's eps what the
        images may become; by default that is the ball.
        """
        pace = pace.scaled(*start.shape[2:])
        ball = L2(pace.eps)
        threat = within(ball) if within else ball
        return Ascent(model=model, objective=objective, start=start, threat=threat, pace=pace)

    def looks(self, frames: int = 0, *, progress: Progress = silent) -> Iterator[Images]:
        """The start, then the images as they come, `frames` times on the way; the last ones are the drawing.

        Looking changes nothing of where the way leads. The model is held still, and is as it was once the iterator
        is done or closed.
        """
        yield self.start
        images, done = self.start, 0
        with frozen(self.model):
            for steps, step_size in self.pace.legs(frames):
                images = projected_ascent(
                    self.objective, images, threat=self.threat, centers=self.start, steps=steps,
                    step_size=step_size, keep="last",
                )  # fmt: skip
                done += steps
                progress(done, self.pace.steps, "")
                yield images

    def draw(self, *, frames: int = 0, progress: Progress = silent) -> Drawing:
        """Go the whole way; `frames` looks on it are kept.

        >>> def brightness(images):
        ...     return images.mean((1, 2, 3))
        >>> grey, pace = torch.full((1, 3, 4, 4), 0.5), Pace(eps=1, steps=4, step_size=0.3, side=4)
        >>> drawn = Ascent.of(brightness, brightness, grey, pace).draw(frames=2)
        >>> len(drawn.path), round(drawn.sizes.item(), 3), bool(drawn.after > drawn.before)
        (3, 1.0, True)
        """
        path = list(self.looks(frames, progress=progress))
        with frozen(self.model), torch.no_grad():
            before, after = self.objective(self.start), self.objective(path[-1])
        return Drawing(
            images=path[-1],
            path=tuple(path if frames else (self.start, path[-1])),
            before=before,
            after=after,
            sizes=self.threat.size(path[-1], self.start),
        )


__all__ = ["Ascent", "Drawing"]
