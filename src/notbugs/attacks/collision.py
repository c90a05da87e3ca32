"""Feature collision: two images, one representation (Sabour et al. 2016; Engstrom et al. 2019)."""

from dataclasses import dataclass, replace
from typing import final

import torch

from notbugs.attacks.auto_ascent import auto_ascent
from notbugs.attacks.halving_steps import halving_steps
from notbugs.attacks.objectives import EmbeddingMatch, embedding_of
from notbugs.errors import NotbugsError, require_positive
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, PerExample
from notbugs.threats import Threat


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
    model's `embed` (Sabour et al. 2016, equations 1 and 2; Engstrom et al. 2019), in `steps` steps at the pace of
    Auto-PGD, whose length, at first `step_size` in the threat's norm (its budget does well), is halved where it stops
    paying; the best point of each image is kept. An image whose distance is `close_enough`, as a share of the target
    embedding's length, is left there. On a linear embedding the result is the nearest such image,
    start + A^+ A (target - start), as long as threat and box leave room; on a network it is a near one. A robust
    model has no collision that still looks like its start; a standard one comes close to it.

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
        pace = halving_steps(threat, start, steps=steps)
        found = auto_ascent(
            objective,
            start,
            threat=threat,
            centers=start,
            steps=steps,
            pace=replace(pace, step_sizes=torch.full_like(pace.step_sizes, step_size)),
            stop_when_finished=True,
        ).images
        with torch.no_grad():
            after = -objective(found)
    return Collision(images=found, before=before, after=after, sizes=threat.size(found, start))
