"""Square Attack (Andriushchenko et al. 2020, arXiv 1912.00049): random search by squares, without any gradient.

Each query changes one square of each image and keeps what raises the loss. Squares shrink on a fixed schedule.
Every image has its own squares; the authors' PyTorch code draws one for the whole batch.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.attacks.abort_early import mark, outlook
from notbugs.attacks.in_turn import Climb, in_turn
from notbugs.attacks.objectives import LOSSES, LabelObjective
from notbugs.errors import NotbugsError, SearchMetNaNError, unknown
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, Labels, PerExample
from notbugs.threats import L2, Linf, Threat

FIRST_SHARE = 0.8
"""The share of all pixels that the first squares cover (p_init in the paper)."""

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After which queries out of 10000 that share is halved; other budgets stretch this schedule."""

PACE = 4.0
"""That of `abort_early`: a random search gains steadily."""

Window = tuple[Tensor, Tensor, Tensor, Tensor]
"""Indices of one square in each image."""


@final
@dataclass(frozen=True, kw_only=True)
class Square:
    """Random search for the highest loss in the threat, by `queries` forward passes a restart and no gradient.

    An image leaves at its first success; restarts concern the images that still stand. Those that stand to the
    end come back with the highest loss seen. With `abort_early` images also leave when they are far from
    falling and come no nearer (`abort_early.py`). Raises NotbugsError for values that make no search.

    >>> from notbugs.threats import Linf
    >>> attack = Square(threat=Linf(8 / 255))
    >>> str(attack)
    'square:linf:8/255:5000'
    >>> image, label = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])
    >>> model = lambda shown: torch.stack([shown.flatten(1).sum(1) - 1.9, 0 * shown[:, 0, 0, 0]], dim=1)
    >>> model(attack(model, image, label, generator=torch.Generator().manual_seed(0))).argmax(1).item()
    1
    """

    exact: ClassVar[bool] = True
    uses_gradients: ClassVar[bool] = False
    threat: Threat
    queries: int = 5000
    restarts: int = 1
    loss: str = "margin"
    abort_early: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.threat, L2 | Linf):
            raise NotbugsError(f"Square knows the threats l2 and linf, not {self.threat}: use another attack")
        if not math.isfinite(self.threat.eps):
            raise NotbugsError(f"Square needs a finite eps, got {self.threat}")
        if self.queries < 1 or self.restarts < 1:
            raise NotbugsError(
                f"Square needs queries >= 1 and restarts >= 1, got {self.queries} and {self.restarts}"
            )
        if self.loss not in LOSSES:
            raise unknown("loss", self.loss, LOSSES)

    def __str__(self) -> str:
        kind = "" if self.loss == "margin" else f"-{self.loss.replace('_', '-')}"
        more = f"x{self.restarts}" if self.restarts > 1 else ""
        return f"square{kind}{mark(self.abort_early)}:{self.threat}:{self.queries}{more}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Images in the threat around `images`; those that are misclassified already as they were."""
        objective = LabelObjective(model, labels, LOSSES[self.loss])
        with frozen(model), torch.no_grad():
            values, leads = _evaluate(objective, images)
            begun = Climb(images, values, leads > 0)

            def run(rows: torch.Tensor) -> Climb:
                return self._run(objective.take(rows), images[rows], generator)

            return in_turn(begun, [run] * self.restarts)

    def _run(self, objective: LabelObjective, centers: Images, generator: torch.Generator) -> Climb:
        """One restart: the images of the highest loss."""
        points = _start(centers, self.threat, generator)
        values, leads = _evaluate(objective, points)
        found, best, fell = points.clone(), values.clone(), leads > 0
        leaving, ahead = fell, outlook(values, steps=self.queries, pace=PACE)
        active = torch.arange(len(centers), device=centers.device)
        for query in range(1, self.queries):
            if bool(leaving.any()):
                going = (~leaving).nonzero()[:, 0]
                if len(going) == 0:
                    break
                active, points, centers, values = active[going], points[going], centers[going], values[going]
                objective, ahead = objective.take(going), ahead.take(going)
            side = _side(centers, self.threat, query - 1, self.queries)
            tried = _proposal(points, centers, self.threat, side, generator)
            new_values, leads = _evaluate(objective, tried)
            fooled = leads > 0
            better = fooled | (new_values > values)
            points = torch.where(better[:, None, None, None], tried, points)
            values = torch.where(better, new_values, values)
            leaving = fooled
            if self.abort_early:
                ahead, hopeless = ahead.after(query, leads)
                leaving = fooled | hopeless
            if bool(leaving.any()) or query == self.queries - 1:
                found[active], best[active], fell[active] = points, values, fooled
        return Climb(found, best, fell)


def _evaluate(objective: LabelObjective, images: Images) -> tuple[PerExample, PerExample]:
    values, leads = objective.values_and_leads(images)
    if bool(values.isnan().any()):
        raise SearchMetNaNError
    return values, leads


def _side(images: Images, threat: Threat, query: int, queries: int) -> int:
    """The side of the squares at a query: in L2 odd and at least 3, so that a square has two halves and a peak."""
    height, width = images.shape[2:]
    share = FIRST_SHARE / 2 ** bisect_left(HALVINGS, query * 10000 // queries)
    side = round(math.sqrt(share * height * width))
    side = max(side, 1) if isinstance(threat, Linf) else max(side, 3) // 2 * 2 + 1
    return min(side, height, width)


def _start(centers: Images, threat: Threat, generator: torch.Generator) -> Images:
    """Vertical stripes of +-eps (L∞), or a grid of five by five tiles of random signs and orientations (L2)."""
    count, channels, height, width = centers.shape
    if isinstance(threat, Linf):
        stripes = _signs((count, channels, 1, width), centers, generator)
        return (centers + threat.eps * stripes).clamp_(0, 1)
    tile = max(min(height, width) // 5, 1)
    down, across = height // tile, width // tile
    shapes = _pyramids(tile).to(centers)[_below(2, (count, 1, down, across), centers, generator)]
    signs = _signs((count, channels, down, across), centers, generator)
    grid = (signs[..., None, None] * shapes).transpose(3, 4).reshape(count, channels, down * tile, -1)
    change = torch.zeros_like(centers)
    top, left = (height - down * tile) // 2, (width - across * tile) // 2
    change[:, :, top : top + down * tile, left : left + across * tile] = grid
    return _at_full_length(change, centers, threat.eps)


def _proposal(
    points: Images, centers: Images, threat: Threat, side: int, generator: torch.Generator
) -> Images:
    """The points with one square changed, in the threat: set to +-eps (L∞, algorithm 2), or given the mass of
    another square and what the budget has left, in a new shape (L2, algorithm 3).
    """
    count, channels = points.shape[:2]
    square = _window(points, side, generator)
    signs = _signs((count, channels, 1, 1), points, generator)
    if isinstance(threat, Linf):
        tried = points.clone()
        tried[square] = (centers[square] + threat.eps * signs).clamp_(0, 1)
        return tried
    change = points - centers
    spare = (threat.eps**2 - change.square().sum((1, 2, 3), keepdim=True)).clamp_min_(0)
    giver = _window(points, side, generator)
    old = change[square]
    mass = old.square().sum((2, 3), keepdim=True)
    shape = _pyramids(side).to(points)[_below(2, (count, 1), points, generator)]
    new = signs * shape + old / mass.sqrt().clamp_min(1e-12)
    change[square] = 0  # so that what the two squares share is counted once
    mass = mass + change[giver].square().sum((2, 3), keepdim=True)
    change[giver] = 0
    length = new.square().sum((2, 3), keepdim=True).sqrt_().clamp_min_(1e-12)
    change[square] = new / length * (mass + spare / channels).sqrt_()
    return _at_full_length(change, centers, threat.eps)


def _at_full_length(change: Images, centers: Images, eps: float) -> Images:
    length = change.square().sum((1, 2, 3), keepdim=True).sqrt_().clamp_min_(1e-12)
    return torch.addcmul(centers, change, eps / length).clamp_(0, 1)


@cache
def _pyramids(side: int) -> Float[Tensor, "2 side side"]:
    """The shape of an L2 change, of length 1 (equation 2): a positive and a negative half, each with a peak in its
    middle; and the same turned by 90 degrees.
    """

    def half(height: int) -> Tensor:
        away = torch.maximum(
            (torch.arange(height) - height // 2).abs()[:, None],
            (torch.arange(side) - side // 2).abs()[None, :],
        )
        terms = 1 / torch.arange(1, side // 2 + 2, dtype=torch.float64).square()
        made = terms.flip(0).cumsum(0).flip(0)[away]  # at distance k from the peak: the terms from k on
        return made / torch.linalg.vector_norm(made).clamp_min(1e-12)

    upright = torch.cat([half(side // 2), -half(side - side // 2)])
    upright = upright / torch.linalg.vector_norm(upright)
    return torch.stack([upright, upright.T])


def _window(images: Images, side: int, generator: torch.Generator) -> Window:
    """One square of that side in each image, placed uniformly."""
    count, channels, height, width = images.shape
    span = torch.arange(side, device=images.device)
    top = _below(height - side + 1, (count, 1), images, generator) + span
    left = _below(width - side + 1, (count, 1), images, generator) + span
    rows = torch.arange(count, device=images.device)[:, None, None, None]
    planes = torch.arange(channels, device=images.device)[None, :, None, None]
    return rows, planes, top[:, None, :, None], left[:, None, None, :]


def _below(end: int, shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    """Random integers 0 ... end - 1."""
    return torch.randint(end, shape, generator=generator, device=like.device)


def _signs(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return (2 * _below(2, shape, like, generator) - 1).to(like.dtype)
