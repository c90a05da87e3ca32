"""The one engine: projected steepest ascent on an objective of images.

Attacks, adversarial training, robust data sets, inversion and drawing are an objective + a start + a threat.
"""

from typing import Literal

import torch

from notbugs.attacks.objectives import RowObjective
from notbugs.errors import NotbugsError, SearchMetNaNError
from notbugs.room import Room
from notbugs.tensors import Images, Objective, PerExample
from notbugs.threats import Threat

Keep = Literal["best", "last"]


def projected_ascent(
    objective: Objective,
    start: Images,
    *,
    threat: Threat,
    centers: Images,
    steps: int,
    step_size: float,
    keep: Keep = "best",
    stop_when_finished: bool = False,
) -> Images:
    """Climb `objective` from `start` in steps of length `step_size` (in the threat's norm), staying in the threat.

    `keep` says which iterate is returned for each image: the best seen, or the last. With `stop_when_finished`
    an image leaves the batch the moment its objective calls it finished, and the others go on without it; the
    objective must then be a RowObjective. Rows do not influence each other. Cost: `steps` gradients of the
    objective, and one value more unless keep="last" without stopping.

    Raises NotbugsError if the search runs into NaN.

    >>> from notbugs.threats import L2
    >>> centers = torch.full((1, 1, 1, 2), 0.5)
    >>> projected_ascent(lambda x: x[:, 0, 0, 0], centers, threat=L2(0.25), centers=centers, steps=3, step_size=0.1)
    tensor([[[[0.7500, 0.5000]]]])
    """
    if steps < 0 or step_size <= 0:
        raise NotbugsError(
            f"ascent needs steps >= 0 and step_size > 0, got steps={steps}, step_size={step_size}"
        )
    if stop_when_finished and not isinstance(objective, RowObjective):
        raise NotbugsError("stop_when_finished needs an objective with values_and_leads() and take()")
    images = threat.project(start, centers).detach()
    found, active = images.clone(), torch.arange(len(images), device=images.device)
    best = torch.full((len(found),), -torch.inf, device=found.device, dtype=found.dtype)
    room = Room(len(images))
    for step in range(steps + 1):
        climbing = step < steps
        if not climbing and keep == "last":
            break
        values, leads, gradients = slopes(objective, images, room, stop_when_finished, climbing=climbing)
        finished = leads > 0
        if keep == "best":
            settled = finished | (values > best[active])
            best[active[settled]] = values[settled].to(best.dtype)
            found[active[settled]] = images[settled]
        elif stop_when_finished:
            found[active[finished]] = images[finished]
        if not climbing:
            break
        if stop_when_finished and bool(finished.any()):
            going = (~finished).nonzero()[:, 0]
            active, images, centers = active[going], images[going], centers[going]
            gradients, values = gradients[going], values[going]
            objective = objective.take(going)  # type: ignore[attr-defined]
            if len(going) == 0:
                return found
        images = threat.project(images + step_size * threat.ascent_direction(gradients, images), centers)
    if keep == "last":
        found[active] = images
    if steps > 0 and not bool(images.isfinite().all() & ~values.isnan().any()):
        raise SearchMetNaNError
    return found


def slopes(
    objective: Objective, images: Images, room: Room, stop_when_finished: bool, *, climbing: bool = True
) -> tuple[PerExample, PerExample, Images]:
    """Values, leads and, while `climbing`, gradients; of some images after the other where memory is short."""

    def of(rows: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        own = objective if rows is None else objective.take(rows.to(images.device))  # type: ignore[attr-defined]
        with torch.set_grad_enabled(climbing):
            some = (images if rows is None else images[rows]).detach().requires_grad_(climbing)
            values, leads = evaluate(own, some, stop_when_finished)
            return values.detach(), leads.detach(), input_gradients(values, some) if climbing else some

    if not hasattr(objective, "take"):  # whose rows cannot be told apart
        values, leads, gradients = of(None)
    else:
        values, leads, gradients = room.over(of, len(images))
    return values, leads, gradients


def input_gradients(values: PerExample, images: Images) -> Images:
    """The gradient of each value by its image (`images` must require gradients, and rows not influence each other).

    Zero where the values do not depend on the images differentiably (a rounding, a table, a detour over NumPy): such
    a model has no slope to climb, which is a finding and no error.

    >>> images = torch.full((1, 1, 1, 2), 0.5, requires_grad=True)
    >>> input_gradients(images.flatten(1).square().sum(1), images).flatten().tolist()
    [1.0, 1.0]
    >>> input_gradients(images.detach().flatten(1).sum(1), images).flatten().tolist()
    [0.0, 0.0]
    """
    if not values.requires_grad:
        return torch.zeros_like(images)
    # Not values.sum(): a caller's no_grad would cut the graph there.
    weights = torch.ones_like(values)
    (gradients,) = torch.autograd.grad(values, images, weights, allow_unused=True, materialize_grads=True)
    # Those of a mean share one place in memory: nobody could write to one of them.
    return gradients.clone(memory_format=torch.contiguous_format) if 0 in gradients.stride() else gradients


def evaluate(objective: Objective, images: Images, stop_when_finished: bool) -> tuple[PerExample, PerExample]:
    """Values and leads; none leads unless the search lets images go."""
    if stop_when_finished:
        return objective.values_and_leads(images)  # type: ignore[attr-defined]
    values = objective(images)
    return values, torch.full_like(values.detach(), -torch.inf)
