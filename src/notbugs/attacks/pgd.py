"""Projected gradient descent (Madry et al. 2018; Kurakin et al. 2017), L2 steps of fixed length as in Ilyas et al."""

import re
from dataclasses import dataclass
from typing import final, get_args

import torch

from notbugs.attacks.ascent import Keep, projected_ascent
from notbugs.attacks.in_turn import Climb, in_turn
from notbugs.attacks.objectives import LOSSES, LabelObjective
from notbugs.errors import NotbugsError, require_positive, unknown
from notbugs.models.frozen import frozen
from notbugs.numerals import parse_count, parse_number
from notbugs.seeds import Rows
from notbugs.tensors import Classifier, Images, Labels
from notbugs.threats import Threat, parse_threat


@final
@dataclass(frozen=True, kw_only=True)
class PGD:
    """Search the threat for images that the model takes for something else (targeted: for `labels`).

    `stop_when_fooled` lets an image leave the batch at its first success; restarts then only concern the images
    that still stand. Without it every image takes all steps and its highest loss (`keep="best"`) is returned.
    Calling it returns images, never a verdict: whoever reports success recomputes it. Raises NotbugsError for
    values that make no search.

    >>> from notbugs.threats import L2
    >>> attack = PGD(threat=L2(0.5), steps=20, step_size=0.0625)
    >>> str(attack)
    'pgd:l2:0.5:20'
    """

    threat: Threat
    steps: int
    step_size: float
    targeted: bool = False
    random_start: bool = True
    restarts: int = 1
    loss: str = "cross_entropy"
    keep: Keep = "best"
    stop_when_fooled: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.restarts < 1:
            raise NotbugsError(
                f"PGD needs steps >= 1 and restarts >= 1, got {self.steps} and {self.restarts}"
            )
        if self.restarts > 1 and not self.random_start:
            raise NotbugsError("restarts without random_start repeat the same search: use restarts=1")
        require_positive("step_size", self.step_size)
        if self.loss not in LOSSES:
            raise unknown("loss", self.loss, LOSSES)
        if self.keep not in get_args(Keep):
            raise unknown("keep", self.keep, get_args(Keep))

    def __str__(self) -> str:
        loss = "" if self.loss == "cross_entropy" else f"-{self.loss}"
        kind = ("-targeted" if self.targeted else "") + loss
        more = f"x{self.restarts}" if self.restarts > 1 else ""
        return f"pgd{kind}:{self.threat}:{self.steps}{more}"

    def __call__(
        self,
        model: Classifier,
        images: Images,
        labels: Labels,
        *,
        generator: torch.Generator,
        rows: Rows | None = None,
    ) -> Images:
        """Images in the threat around `images`; `labels` are the true ones, or the targets when targeted.

        With `rows`, the part that these are of a batch, they start where they would in the whole batch.
        """
        with frozen(model):
            if self.restarts == 1:
                return self._search(model, images, labels, self._starts(images, generator, rows))

            def climb(chosen: torch.Tensor) -> Climb:
                if rows is None:
                    starts = self._starts(images[chosen], generator, None)
                else:  # which images still stand differs from part to part: a draw for all of them
                    starts = self._starts(images, generator, rows)[chosen]
                found = self._search(model, images[chosen], labels[chosen], starts)
                with torch.no_grad():
                    values, leads = self._objective(model, labels[chosen]).values_and_leads(found)
                return Climb(found, values, leads > 0)

            first = climb(torch.arange(len(images), device=images.device))
            return in_turn(first, [climb] * (self.restarts - 1), finished_too=not self.stop_when_fooled)

    def _starts(self, images: Images, generator: torch.Generator, rows: Rows | None) -> Images:
        return self.threat.random_start(images, generator, rows) if self.random_start else images

    def _search(self, model: Classifier, images: Images, labels: Labels, starts: Images) -> Images:
        return projected_ascent(
            self._objective(model, labels),
            starts,
            threat=self.threat,
            centers=images,
            steps=self.steps,
            step_size=self.step_size,
            keep=self.keep,
            stop_when_finished=self.stop_when_fooled,
        )

    def _objective(self, model: Classifier, labels: Labels) -> LabelObjective:
        return LabelObjective(model, labels, LOSSES[self.loss], self.targeted)


_WRITTEN = re.compile(r"pgd:([^:]*:[^:@]*(?:@(?:colour|[\w-]+:[^:]+))?):(\d+)(?::(.+))?")


def parse_attack(text: str) -> PGD:
    """The adversary of a training, written as pgd:NORM:EPS:STEPS[:STEP_SIZE]; STEP_SIZE defaults to 1.5 eps / STEPS.

    With a family of features, pgd:NORM:EPS@FAMILY:STEPS, it changes these alone.

    It starts at the image and keeps the last iterate, as in Ilyas et al. 2019 (there 7 steps of eps / 5).

    >>> parse_attack("pgd:l2:0.5:7:0.1").step_size
    0.1
    """
    kind = text.partition(":")[0]
    if kind != "pgd":
        raise unknown("attack", kind, ["pgd"])
    found = _WRITTEN.fullmatch(text)
    if not found:
        raise NotbugsError(f"attack {text!r}: write it like pgd:l2:0.5:7 (norm, eps, number of steps)")
    threat, steps = parse_threat(found[1]), parse_count(found[2], "steps")
    if steps < 1:
        raise NotbugsError(f"attack {text!r}: the number of steps must be at least 1")
    step_size = parse_number(found[3], "step size") if found[3] else 1.5 * threat.eps / steps
    return PGD(threat=threat, steps=steps, step_size=step_size, random_start=False, keep="last")
