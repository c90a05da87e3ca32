"""FAB, the fast adaptive boundary attack (Croce & Hein 2020, arXiv 1907.02044), targeted as in AutoAttack (FAB-T).

It looks for the nearest adversarial image, not for the worst one in a ball: the boundary to one other class is
linearised at the present point, point and image are projected on it inside the box, and a mixture of the two is
the next point.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from notbugs.attacks.abort_early import mark, outlook
from notbugs.attacks.ascent import input_gradients
from notbugs.attacks.balls import order_of
from notbugs.attacks.hyperplane import shortest_change
from notbugs.attacks.in_turn import Climb, in_turn, towards_each
from notbugs.attacks.objectives import margin, others_ranked
from notbugs.errors import NotbugsError, SearchMetNaNError
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, Labels, Logits, PerExample
from notbugs.threats import Threat

ALPHA_MAX = 0.1
"""The largest share of the image's own projection in a step (alpha_max in the paper)."""

OVERSHOOT = 1.05
"""How far past the linearised boundary a step goes (eta)."""

BACKWARD = 0.9
"""How much of its change an adversarial point keeps before it goes on (beta)."""

PUSH = 1.1
"""How far, at most, what was found inside a threat is pushed on, away from the boundary that it has just crossed."""

FINAL_STEPS = 3
"""Steps of the final search on the segment from the image to what was found."""

PACE = 2.5
"""That of `abort_early`: a projection shows at once how far the boundary is, and gains little after."""

NOTHING = 1e10
"""The size of an adversarial image not found: larger than any image's."""


@final
@dataclass(frozen=True, kw_only=True)
class FAB:
    """The nearest image of another class, sought over the boundaries to the `targets` likeliest other classes.

    Called, it returns what it found within the threat, and unchanged the images whose nearest lies outside; an
    image leaves as soon as it is found inside, pushed a little off the boundary where the threat has room.
    With `abort_early` a class is also given up where the boundary found is far outside and comes no nearer.
    `smallest` goes on to the end and returns the nearest whatever its size. The first run against each class starts
    at the image, its restarts at random within half of eps.
    Raises NotbugsError for values that make no search.

    >>> from notbugs.theory import flip_sizes, linear_logits
    >>> from notbugs.threats import L2
    >>> weights, biases = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2), torch.zeros(2)
    >>> images, labels = torch.tensor([0.7, 0.5]).view(1, 1, 1, 2), torch.tensor([0])
    >>> found = FAB(threat=L2(0.1), steps=10).smallest(lambda shown: linear_logits(shown, weights, biases),
    ...                                                images, labels, generator=torch.Generator())
    >>> L2(0.1).size(found, images), flip_sizes(images, labels, weights, biases, L2(0.1))[:, 1]
    (tensor([0.1414]), tensor([0.1414]))
    """

    exact: ClassVar[bool] = True
    threat: Threat
    steps: int = 100
    targets: int = 9
    restarts: int = 1
    abort_early: bool = False

    def __post_init__(self) -> None:
        order_of(self.threat)
        if self.steps < 1 or self.targets < 1 or self.restarts < 1:
            raise NotbugsError(
                "FAB needs steps >= 1, targets >= 1 and restarts >= 1, "
                f"got {self.steps}, {self.targets} and {self.restarts}"
            )
        if self.restarts > 1 and not math.isfinite(self.threat.eps):
            raise NotbugsError(
                "FAB restarts at random within half of eps: with restarts give it a finite one"
            )

    def __str__(self) -> str:
        more = f"x{self.restarts}" if self.restarts > 1 else ""
        return f"fab-t{self.targets}{mark(self.abort_early)}:{self.threat}:{self.steps}{more}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Images in the threat around `images`, misclassified where that was achieved, else as they were."""
        found = self._search(model, images, labels, generator, enough=self.threat.eps)
        sizes = self.threat.size(found, images)
        rows = ((sizes > 0) & (sizes <= self.threat.eps)).nonzero()[:, 0]
        result = images.clone()
        result[rows] = self._off_the_boundary(model, images[rows], found[rows], labels[rows], sizes[rows])
        return result

    def smallest(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """The nearest adversarial images found, whatever their size; eps only limits the starts of restarts.

        Images that are misclassified already, and those for which nothing was found, come back unchanged. Give
        it a model in float32: bfloat16 logits do not say on which side of a boundary its neighbours lie.
        """
        return self._search(model, images, labels, generator, enough=0.0)

    def _search(
        self, model: Classifier, images: Images, labels: Labels, generator: torch.Generator, enough: float
    ) -> Images:
        """The nearest found; an image is done with at a size of `enough`."""
        enough = min(enough, NOTHING / 10)
        with frozen(model):
            logits = _logits(model, images)
            ranked = others_ranked(logits, labels)[:, : self.targets].repeat_interleave(self.restarts, dim=1)

            def search(rows: torch.Tensor, targets: torch.Tensor, first: int) -> Climb:
                centers, several = images[rows], len(targets)
                starts = [
                    self.threat.scaled(0.5).random_start(centers, generator)
                    if number % self.restarts
                    else centers
                    for number in range(first, first + several)
                ]
                nearest, sizes = self._run(
                    model, centers.repeat(several, 1, 1, 1), labels[rows].repeat(several), targets.flatten(),
                    enough, start=torch.cat(starts),
                )  # fmt: skip
                return Climb(nearest, -sizes, sizes <= enough)

            wrong = logits.argmax(1) != labels
            found = in_turn(
                Climb(images, images.new_full((len(images),), -NOTHING), wrong), towards_each(ranked, search)
            )
            rows = (self.threat.size(found, images) > enough).nonzero()[:, 0]
            if len(rows) > 0:
                found[rows] = _nearer_on_the_segment(model, images[rows], found[rows], labels[rows])
            return found

    def _off_the_boundary(
        self, model: Classifier, centers: Images, found: Images, labels: Labels, sizes: PerExample
    ) -> Images:
        """Farther from the centre, within the threat, where the margin is larger there: on the boundary itself
        rounding decides what a model answers, and a folded one rounds otherwise."""
        farther = ((1 - 1e-6) * self.threat.eps / sizes).clamp_max(PUSH)[:, None, None, None]
        pushed = torch.lerp(centers, found, farther).clamp_(0, 1)
        with frozen(model):
            gain = margin(_logits(model, pushed), labels) - margin(_logits(model, found), labels)
        better = (gain > 0) & (self.threat.size(pushed, centers) <= self.threat.eps)
        return torch.where(better[:, None, None, None], pushed, found)

    def _run(
        self,
        model: Classifier,
        centers: Images,
        labels: Labels,
        targets: Labels,
        enough: float,
        *,
        start: Images,
    ) -> tuple[Images, PerExample]:
        """One run of all steps against one other class for each image: the nearest found, and their sizes."""
        points, active = start, torch.arange(len(start), device=start.device)
        found, sizes = centers.clone(), centers.new_full((len(centers),), NOTHING)
        ahead = outlook(sizes, steps=self.steps, first_look=1, pace=PACE)
        for step in range(1, self.steps + 1):
            gaps, normals = _boundary(model, points, labels, targets)
            points = _step(points, centers, gaps, normals, order_of(self.threat))
            fooled = _logits(model, points).argmax(1) != labels
            lengths = self.threat.size(points, centers)
            nearer = (fooled & (lengths < sizes[active])).nonzero()[:, 0]
            found[active[nearer]], sizes[active[nearer]] = points[nearer], lengths[nearer]
            kept = torch.where(fooled, BACKWARD, 1.0).to(points.dtype)
            points = torch.lerp(centers, points, kept[:, None, None, None])
            leaving = sizes[active] <= enough
            if self.abort_early and enough > 0:
                ahead, hopeless = ahead.after(step, _leads(sizes[active], enough))
                leaving = leaving | hopeless
            if bool(leaving.any()):
                going = (~leaving).nonzero()[:, 0]
                points, centers, active = points[going], centers[going], active[going]
                labels, targets, ahead = labels[going], targets[going], ahead.take(going)
                if len(going) == 0:
                    break
        return found, sizes


def _leads(sizes: PerExample, enough: float) -> PerExample:
    """How far inside `enough` each size is; -inf, which says nothing of the pace, where nothing was found yet."""
    return torch.where(sizes < NOTHING, enough - sizes, -torch.inf)


def _step(points: Images, centers: Images, gaps: PerExample, normals: Images, order: float) -> Images:
    """Past the linearised boundary, from the point and, to a share alpha, its centre: the biased step."""
    from_point = shortest_change(points, normals, gaps, order)
    center_gaps = gaps + (normals * (centers - points)).flatten(1).sum(1)
    from_center = shortest_change(centers, normals, center_gaps, order)
    length, center_length = (
        torch.linalg.vector_norm(change.flatten(1), ord=order, dim=1).clamp_min(1e-8)
        for change in (from_point, from_center)
    )
    alpha = (length / (length + center_length)).clamp_max(ALPHA_MAX)
    ahead = torch.add(points, from_point, alpha=OVERSHOOT)
    ahead_of_center = torch.add(centers, from_center, alpha=OVERSHOOT)
    return torch.lerp(ahead, ahead_of_center, alpha[:, None, None, None]).clamp_(0, 1)


def _boundary(
    model: Classifier, points: Images, labels: Labels, targets: Labels
) -> tuple[PerExample, Images]:
    """The target's logit minus the label's at each point, and its gradient: the boundary, linearised there."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        logits = model(points)
        gaps = (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None]))[:, 0]
    normals = input_gradients(gaps, points)
    # A model in channels_last answers in it; mixed with images that are not, every operation would be slow.
    return gaps.detach().to(points.dtype), normals.contiguous()


def _nearer_on_the_segment(model: Classifier, centers: Images, found: Images, labels: Labels) -> Images:
    """The final search: where the margin, taken for linear on the segment from the image, changes its sign."""
    low, high = (margin(_logits(model, shown), labels) for shown in (centers, found))
    right, wrong = torch.zeros_like(low), torch.ones_like(high)  # places on the segment
    for _ in range(FINAL_STEPS):
        share = (low / (low - high).clamp_max(-1e-12)).clamp(0, 1)
        # A hair past the root: where the boundary is straight the root itself is a tie.
        place = right + (wrong - right) * (share + 0.01 * (1 - share))
        logits = _logits(model, torch.lerp(centers, found, place[:, None, None, None]))
        fooled, value = logits.argmax(1) != labels, margin(logits, labels)
        high, wrong = torch.where(fooled, value, high), torch.where(fooled, place, wrong)
        low, right = torch.where(fooled, low, value), torch.where(fooled, right, place)
    return torch.lerp(centers, found, wrong[:, None, None, None])


@torch.no_grad()
def _logits(model: Classifier, images: Images) -> Logits:
    """The logits in the images' own precision; NaN is an error, argmax would take it for an answer."""
    logits = model(images).to(images.dtype)
    if bool(logits.isnan().any()):
        raise SearchMetNaNError
    return logits
