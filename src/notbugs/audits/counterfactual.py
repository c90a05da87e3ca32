"""Counterfactuals: the smallest change after which a model says another class, and what that change is.

Of a robust model the change is what the class looks like to it; of a standard one mostly noise.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from notbugs.attacks import FMN, embedding_of
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.progress import Progress, silent
from notbugs.synthesis.marked import Marks
from notbugs.tensors import Classifier, Images, Labels, Logits, PerExample
from notbugs.threats import L2


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Counterfactuals:
    """What was found for each image, the image itself where there is nothing within the budget.

    `sizes`: the L2 length of the change in pixel units, infinite where nothing was found.
    """

    images: Images
    originals: Images
    targets: Labels
    found: Bool[Tensor, " images"]

    @property
    def sizes(self) -> PerExample:
        length = (self.images - self.originals).flatten(1).norm(dim=1)
        return length.masked_fill(~self.found, torch.inf)

    @property
    def changed(self) -> Bool[Tensor, " images"]:
        """Which images are taken for their target now and were not before."""
        return self.found & (self.sizes > 0)

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
    eps: float,
    steps: int = 100,
    progress: Progress = silent,
) -> Counterfactuals:
    """The smallest change found, of L2 length `eps` at most, after which the model says each image's target.

    FMN towards the targets (Pintor et al. 2021); `sizes` are upper bounds: there may be nearer images. A search that
    stops at the first success is no substitute: its changes are a seventh to a fifth longer, and what they have more
    lies anywhere. Raises NotbugsError for no steps, an eps below 0, and if the model answers NaN.

    >>> from notbugs import build
    >>> model, images = build("convnet", classes=10, seed=0).eval(), torch.rand(2, 3, 32, 32)
    >>> found = counterfactuals(model, images, torch.tensor([1, 2]), eps=8.0, steps=20)
    >>> bool((model(found.images).argmax(1) == found.targets)[found.found].all())
    True
    """
    asked = 0

    def watched(shown: Images) -> Logits:
        nonlocal asked
        asked += 1
        progress(asked, steps + 1, "the nearest images of the targets")
        return model(shown)

    search = FMN(threat=L2(eps), steps=steps, targeted=True)
    with frozen(model):
        found = search(watched, images, targets, generator=torch.Generator(device=images.device))
        with torch.no_grad():
            there = model(found).argmax(1) == targets
    shown = found.where(there.view(-1, 1, 1, 1), images)
    return Counterfactuals(images=shown, originals=images, targets=targets, found=there)


def changed_features(
    model: Classifier, found: Counterfactuals, count: int = 5
) -> tuple[Int[Tensor, "images count"], Float[Tensor, "images count"]]:
    """The features whose change did most for the target against the old answer, and how much of the way each went.

    Shares of the change of the logit difference, of features times the head's weights; they need a linear head named
    `head`. NaN for an image that did not change. Raises NotbugsError without a head.
    """
    head = linear_head(model)
    if head is None:
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


def linear_head(model: Classifier) -> torch.nn.Linear | None:
    """What makes logits of features, where that is linear and named `head`."""
    head = getattr(model, "head", None)
    return head if isinstance(head, torch.nn.Linear) else None


__all__ = ["Counterfactuals", "changed_features", "counterfactuals", "linear_head"]
