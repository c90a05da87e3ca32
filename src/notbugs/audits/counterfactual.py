"""Counterfactuals: the smallest change after which a model says another class, and what that change is.

Of a robust model the change is what the class looks like to it; of a standard one mostly noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from notbugs.attacks import PGD, LabelObjective, embedding_of
from notbugs.attacks.boundary import onto_the_boundary
from notbugs.errors import NotbugsError, require_positive
from notbugs.models import frozen
from notbugs.progress import Progress, silent
from notbugs.synthesis.marked import Marks
from notbugs.tensors import Classifier, Images, Labels, PerExample
from notbugs.threats import L2

RISING = tuple(0.1 * 2 ** (step / 2) for step in range(16))
"""Budgets from 0.1 to 18, each 1.4 times the last."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Counterfactuals:
    """What was found for each image. `sizes`: the L2 length of the change, infinite where no budget was enough.

    `reached`: which images have got their target within each budget, of budgets that rise.
    """

    images: Images
    originals: Images
    targets: Labels
    budgets: tuple[float, ...]
    reached: Bool[Tensor, "budgets images"]

    @property
    def found(self) -> Bool[Tensor, " images"]:
        return self.reached[-1]

    @property
    def sizes(self) -> PerExample:
        length = (self.images - self.originals).flatten(1).norm(dim=1)
        return length.masked_fill(~self.found, torch.inf)

    def change(self) -> Float[Tensor, "images height width"]:
        """The squared change of each pixel, channels added up."""
        return (self.images - self.originals).square().sum(1)

    def energy_inside(self, marks: Marks) -> PerExample:
        """The share of the squared change that lies on the marked pixels; NaN where nothing changed."""
        change = self.change()
        return (change * marks).flatten(1).sum(1) / change.flatten(1).sum(1)


def counterfactuals(
    model: Classifier,
    images: Images,
    targets: Labels,
    *,
    budgets: Sequence[float] = RISING,
    steps: int = 40,
    progress: Progress = silent,
) -> Counterfactuals:
    """The smallest change found towards each target: PGD within budgets that rise, then back to the boundary.

    Raises NotbugsError for budgets that do not rise.

    >>> from notbugs import build
    >>> model, images = build("convnet", classes=10, seed=0).eval(), torch.rand(2, 3, 32, 32)
    >>> found = counterfactuals(model, images, torch.tensor([1, 2]), budgets=(1.0, 8.0), steps=10)
    >>> bool((model(found.images).argmax(1) == found.targets)[found.found].all())
    True
    """
    require_positive("steps", steps)
    if not budgets or any(b <= a for a, b in zip((0.0, *budgets), budgets, strict=False)):
        raise NotbugsError(f"budgets must rise from above 0, got {list(budgets)}")
    found, reached = (
        images.clone(),
        torch.zeros(len(budgets), len(images), dtype=torch.bool, device=images.device),
    )
    with frozen(model):
        with torch.no_grad():
            there = model(images).argmax(1) == targets
        for number, eps in enumerate(budgets):
            rows = (~there).nonzero()[:, 0]
            if len(rows):
                attack = PGD(
                    threat=L2(eps), steps=steps, step_size=2.5 * eps / steps, targeted=True, random_start=False,
                    stop_when_fooled=True,
                )  # fmt: skip
                draw = torch.Generator(device=images.device)  # nothing is drawn: there is no random start
                moved = attack(model, images[rows], targets[rows], generator=draw)
                objective = LabelObjective(model, targets[rows], targeted=True)
                with torch.no_grad():
                    won = objective.values_and_leads(moved)[1] > 0
                nearest = onto_the_boundary(
                    objective.take(won.nonzero()[:, 0]), images[rows[won]], moved[won]
                )
                found[rows[won]] = nearest
                there[rows[won]] = True
            reached[number] = there
            progress(number + 1, len(budgets), f"{int(there.sum())} of {len(images)} images")
    return Counterfactuals(
        images=found, originals=images, targets=targets, budgets=tuple(budgets), reached=reached
    )


def changed_features(
    model: Classifier, found: Counterfactuals, count: int = 5
) -> tuple[Int[Tensor, "images count"], Float[Tensor, "images count"]]:
    """The features whose change did most for the target against the old answer, and how much of the way each went.

    Shares of the change of the logit difference, of features times the head's weights; they need a linear head named
    `head`. Raises NotbugsError without one.
    """
    head = getattr(model, "head", None)
    if not isinstance(head, torch.nn.Linear):
        raise NotbugsError(f"{type(model).__name__} has no linear head to weigh features by")
    embed = embedding_of(model)
    with frozen(model), torch.no_grad():
        before, after = embed(found.originals), embed(found.images)
        old = model(found.originals).argmax(1)
        weights = head.weight[found.targets] - head.weight[old]
        gained = (after - before) * weights
        shares = gained / gained.sum(1, keepdim=True)
        largest = shares.topk(min(count, shares.shape[1]), dim=1)
    return largest.indices, largest.values


__all__ = ["RISING", "Counterfactuals", "changed_features", "counterfactuals"]
