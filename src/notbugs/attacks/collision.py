"""Feature collision: two images, one representation (Sabour et al. 2016; Engstrom et al. 2019)."""

from dataclasses import dataclass
from typing import final

import torch

from notbugs.attacks.ascent import projected_ascent
from notbugs.attacks.objectives import EmbeddingMatch, embedding_of
from notbugs.errors import NotbugsError, require_positive
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, PerExample
from notbugs.threats import Threat

ROUNDS = 8
"""How often the step size is halved: a step of fixed length circles its goal at that distance."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Collision:
    """What a search for collisions found.

    `before` and `after`: how far the embeddings of start and of `images` lie from the target's, as a share of its
    length. `sizes`: how far the images moved from their starts, in the norm of the threat, in pixel units.
    """

    images: Images
    before: PerExample
    after: PerExample
    sizes: PerExample


def feature_collision(
    model: Classifier,
    start: Images,
    target: torch.Tensor,
    *,
    threat: Threat,
    steps: int,
    step_size: float,
    close_enough: float = 0.0,
) -> Collision:
    """Images near `start` that `model` embeds as it embeds `target`, row by row.

    Descends ||g(z) - g(target)|| from z = start within the threat (`L2(inf)`: within the pixel box alone), g the
    model's `embed` (Sabour et al. 2016, equations 1 and 2; Engstrom et al. 2019), in `steps` steps whose length, at
    first `step_size` in the threat's norm, is halved 7 times; the best of them all is kept. An image whose distance
    is `close_enough`, as a share of the target embedding's length, is left there. On a linear embedding the result
    is the nearest such image, start + A^+ A (target - start), as long as threat and box leave room; on a network
    it is a near one. A robust model has no collision that still looks like its start; a standard one has.

    Raises NotbugsError if the model has no `embed`, if start and target differ in shape, or for values that make
    no search.

    >>> from notbugs.models import build
    >>> from notbugs.threats import L2
    >>> model, (start, target) = build("convnet-8-8-8-8", classes=10, seed=0), torch.rand(2, 4, 3, 32, 32)
    >>> found = feature_collision(model, start, target, threat=L2(0.5), steps=20, step_size=0.1)
    >>> bool((found.after < found.before).all()), bool((found.sizes < 0.5001).all())
    (True, True)
    """
    require_positive("steps", steps)
    require_positive("step_size", step_size)
    if not close_enough >= 0:
        raise NotbugsError(
            f"close_enough is a share of the target's length: give 0 or more, got {close_enough}"
        )
    if start.shape != target.shape:
        raise NotbugsError(
            f"each start needs one target: shapes {tuple(start.shape)} and {tuple(target.shape)} differ"
        )
    embed = embedding_of(model)
    with frozen(model):
        with torch.no_grad():
            goal = embed(target)
        objective = EmbeddingMatch(embed, goal, relative=True, close_enough=close_enough)
        with torch.no_grad():
            before = -objective(start)
        images, done = start, 0
        for number in range(ROUNDS):
            until = steps * (number + 1) // ROUNDS
            if until > done:
                images = projected_ascent(
                    objective,
                    images,
                    threat=threat,
                    centers=start,
                    steps=until - done,
                    step_size=step_size / 2**number,
                    stop_when_finished=True,
                )
            done = until
        with torch.no_grad():
            after = -objective(images)
    return Collision(images=images, before=before, after=after, sizes=threat.size(images, start))
