"""MultiTargeted (Gowal et al. 2019, arXiv 1910.09338): towards each of the likely wrong classes in turn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch

from notbugs.attacks.ascent import projected_ascent
from notbugs.attacks.in_turn import Climb, in_turn
from notbugs.attacks.objectives import (
    LabelObjective,
    TargetedObjective,
    margin,
    others_ranked,
    targeted_margin,
)
from notbugs.errors import NotbugsError, require_positive
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, Labels
from notbugs.threats import Threat


@final
@dataclass(frozen=True, kw_only=True)
class MultiTargeted:
    """PGD on the lead of one wrong class over the label, for the `targets` most likely wrong classes in turn.

    A loss that looks at all classes at once can be stuck between two of them; each of these has one way to go. The
    classes are ranked once, on the images as they are. Images leave when they are fooled, by whatever class, and only
    the others meet the next one; of an image that stands, the search with the highest margin is returned. `targets`
    may exceed the number of wrong classes: all of them are then tried. Costs up to targets * (steps + 2) + 1
    evaluations, `steps` of each target's with a gradient.

    Raises NotbugsError for values that make no search, and if the model answers NaN.

    >>> from notbugs.threats import L2
    >>> def model(images):  # one logit per value: the largest wins
    ...     return images.flatten(1)
    >>> images, labels = torch.tensor([0.9, 0.8, 0.1]).view(1, 1, 1, 3), torch.tensor([0])
    >>> attack = MultiTargeted(threat=L2(0.1), steps=10, step_size=0.02, targets=2)
    >>> str(attack), model(attack(model, images, labels, generator=torch.Generator())).argmax(1).item()
    ('multi-targeted-2:l2:0.1:10', 1)
    """

    threat: Threat
    steps: int
    step_size: float
    targets: int = 9
    random_start: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.targets < 1:
            raise NotbugsError(
                f"MultiTargeted needs steps >= 1 and targets >= 1, got {self.steps} and {self.targets}"
            )
        require_positive("step_size", self.step_size)

    def __str__(self) -> str:
        return f"multi-targeted-{self.targets}:{self.threat}:{self.steps}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Images in the threat around `images`; `labels` are the true ones."""
        with frozen(model):
            judge = LabelObjective(model, labels, margin)
            with torch.no_grad():
                logits = model(images)
                margins = LabelObjective(lambda _: logits, labels, margin)(images)
            ranked = others_ranked(logits, labels)[:, : self.targets]

            def search_for(targets: Labels) -> Callable[[torch.Tensor], Climb]:
                return lambda rows: self._search(
                    TargetedObjective(model, labels[rows], targets[rows], targeted_margin),
                    images[rows], judge.take(rows), generator,
                )  # fmt: skip

            return in_turn(Climb(images, margins, margins > 0), map(search_for, ranked.unbind(1)))

    def _search(
        self,
        objective: TargetedObjective,
        images: Images,
        judge: LabelObjective,
        generator: torch.Generator,
    ) -> Climb:
        start = self.threat.random_start(images, generator) if self.random_start else images
        reached = projected_ascent(
            objective, start, threat=self.threat, centers=images, steps=self.steps, step_size=self.step_size,
            stop_when_finished=True,
        )  # fmt: skip
        with torch.no_grad():
            margins = judge(reached)
        return Climb(reached, margins, margins > 0)
