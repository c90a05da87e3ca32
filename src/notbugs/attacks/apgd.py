"""Auto-PGD: projected gradient ascent that chooses its own steps (Croce & Hein 2020; 2021 for L1)."""

import math
from dataclasses import dataclass
from typing import final

import torch

from notbugs.attacks.abort_early import mark
from notbugs.attacks.auto_ascent import auto_ascent
from notbugs.attacks.balls import order_of
from notbugs.attacks.halving_steps import halving_steps
from notbugs.attacks.in_turn import Climb, in_turn, towards_each
from notbugs.attacks.objectives import (
    LOSSES,
    LabelObjective,
    RowObjective,
    TargetedObjective,
    margin,
    others_ranked,
    targeted_dlr,
    targeted_margin,
)
from notbugs.attacks.sparse_steps import sparse_steps
from notbugs.errors import NotbugsError, unknown
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, Labels, PerExample
from notbugs.threats import L1, Restricted, Threat


@final
@dataclass(frozen=True, kw_only=True)
class APGD:
    """Search the threat for misclassified images; only the budget and the number of steps are chosen.

    Images leave the batch at their first success, and each restart begins elsewhere with those that still stand.
    Of an image that stands to the end, the point with the highest loss is returned. AutoAttack takes 100 steps,
    one restart (L1: five) on the cross-entropy. With `abort_early` images also leave when they are far from falling
    and come no nearer (`abort_early.py`): that saves most of the steps of L2 and Linf searches; in L1,
    where most steps are spent in larger balls, few. Calling it returns images, never a verdict.

    Raises NotbugsError for values that make no search, and when called on two classes with loss="dlr".

    >>> from notbugs.threats import L2
    >>> str(APGD(threat=L2(0.5), loss="dlr"))
    'apgd-dlr:l2:0.5:100'
    """

    threat: Threat
    steps: int = 100
    restarts: int = 1
    loss: str = "cross_entropy"
    abort_early: bool = False

    def __post_init__(self) -> None:
        _check("APGD", self.threat, {"steps": self.steps, "restarts": self.restarts})
        if self.loss not in LOSSES:
            raise unknown("loss", self.loss, LOSSES)

    def __str__(self) -> str:
        loss = "" if self.loss == "cross_entropy" else f"-{self.loss}"
        return f"apgd{loss}{mark(self.abort_early)}:{self.threat}:{self.steps}{_times(self.restarts)}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Images in the threat around `images`; those that are wrong already as they are."""
        with frozen(model):
            objective = LabelObjective(model, labels, LOSSES[self.loss])
            with torch.no_grad():
                margins = objective.values_and_leads(images)[1]

            def search(rows: torch.Tensor) -> Climb:
                return _search(self, objective.take(rows), images[rows], generator)

            return in_turn(_begun(images, margins), [search] * self.restarts)


@final
@dataclass(frozen=True, kw_only=True)
class APGDTargeted:
    """Auto-PGD towards each of the `targets` most likely wrong classes in turn, with the images that still stand.

    `labels` are the true ones; any misclassification counts. The loss is the targeted dlr, with fewer than four
    classes the margin towards the target. Of an image that stands to the end, the point with the highest value
    over all targets is returned. AutoAttack takes 9 targets (L1: 5), 100 steps and one restart each.

    Raises NotbugsError for values that make no search.

    >>> from notbugs.threats import L1, L2
    >>> str(APGDTargeted(threat=L2(0.5))), str(APGDTargeted(threat=L1(12), targets=5))
    ('apgd-targeted:l2:0.5:100', 'apgd-targeted-5:l1:12:100')
    """

    threat: Threat
    steps: int = 100
    targets: int = 9
    restarts: int = 1
    abort_early: bool = False

    def __post_init__(self) -> None:
        counts = {"steps": self.steps, "targets": self.targets, "restarts": self.restarts}
        _check("APGDTargeted", self.threat, counts)

    def __str__(self) -> str:
        targets = "" if self.targets == 9 else f"-{self.targets}"
        kind = f"apgd-targeted{targets}{mark(self.abort_early)}"
        return f"{kind}:{self.threat}:{self.steps}{_times(self.restarts)}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Images in the threat around `images`; those that are wrong already as they are."""
        with frozen(model):
            with torch.no_grad():
                logits = model(images)
            ranked = others_ranked(logits, labels)[:, : self.targets]
            loss = targeted_dlr if logits.shape[1] >= 4 else targeted_margin
            columns = ranked.repeat_interleave(self.restarts, dim=1)

            def search(rows: torch.Tensor, targets: torch.Tensor, first: int) -> Climb:
                several, centers = len(targets), images[rows].repeat(len(targets), 1, 1, 1)
                objective = TargetedObjective(model, labels[rows].repeat(several), targets.flatten(), loss)
                return _search(self, objective, centers, generator)

            return in_turn(_begun(images, margin(logits, labels)), towards_each(columns, search))


def _begun(images: Images, margins: PerExample) -> Climb:
    """The images as they are: what is wrong stays so, and of the others any search has something better."""
    return Climb(images, images.new_full((len(images),), -torch.inf), margins > 0)


def _search(
    attack: APGD | APGDTargeted, objective: RowObjective, images: Images, generator: torch.Generator
) -> Climb:
    """One search of `attack`, until an image is fooled, given up or out of steps."""
    if isinstance(attack.threat, L1):
        return _sparse_search(attack, objective, images, generator)
    return auto_ascent(
        objective,
        attack.threat.random_start(images, generator),
        threat=attack.threat,
        centers=images,
        steps=attack.steps,
        pace=halving_steps(attack.threat, images, steps=attack.steps),
        stop_when_finished=True,
        abort_early=attack.abort_early,
    )


def _sparse_search(
    attack: APGD | APGDTargeted, objective: RowObjective, images: Images, generator: torch.Generator
) -> Climb:
    """In three times the budget, then in twice, then in the budget itself: 30, 30 and 40 % of the steps.

    A larger ball is easier to search, and its best point, brought into the smaller one, a good start there
    (Croce & Hein 2021, section 4). What fools the model in a larger ball is no success.
    """
    # Normal draws have a few large values, on which the projection leaves them: the start is sparse.
    noise = torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
    start, warming = images + noise, 3 * attack.steps // 10
    for factor, part in ((3, warming), (2, warming), (1, attack.steps - 2 * warming)):
        ball = attack.threat.scaled(factor)
        start = ball.project(start, images)
        climb = auto_ascent(
            objective,
            start,
            threat=ball,
            centers=images,
            steps=part,
            pace=sparse_steps(ball, start, images, steps=part),
            stop_when_finished=factor == 1,
            abort_early=attack.abort_early and factor == 1,
        )
        start = climb.images
    return climb


def _times(restarts: int) -> str:
    return f"x{restarts}" if restarts > 1 else ""


def _check(name: str, threat: Threat, counts: dict[str, int]) -> None:
    order_of(threat.threat if isinstance(threat, Restricted) else threat)  # or it is no ball
    for count, value in counts.items():
        if value < 1:
            raise NotbugsError(f"{name} needs {count} >= 1, got {value}")
    if not math.isfinite(threat.eps):
        raise NotbugsError(f"{name} needs a finite eps, its first step is a multiple of it: got {threat}")
