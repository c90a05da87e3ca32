"""How useful each feature is, and what an adversary leaves of that (Ilyas et al. 2019, Section 2).

A feature is a function f of images, here a unit of a representation or a linear form. The paper's definitions are of
two classes and of features with mean 0 and variance 1:

    rho = E[y f(x)],   gamma = E[min y f(x + d)] over all d in the threat,   y = +1 or -1.

With more classes each is asked against all others together, both sides counting half; f has mean 0 and variance 1
under that weight, so that rho is the correlation of f and y, at most 1. Of a feature the class that it tells best is
taken, and its sign.

Of a linear form <a, x> the minimum is exact: gamma = rho - eps ||a||_* / deviation, where the pixel box does not bind
(Goh 2019, "Two Examples of Useful, Non-Robust Features"). Of any other feature it is searched for, for every feature
by itself: an attack on the logits, which some use in its place, moves all features at once and says nothing of the
least value of one. What a search finds is no less than the minimum, so gamma is an upper bound.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from notbugs.attacks import embedding_of, projected_ascent
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError, require_positive
from notbugs.features.useful import PerUnit, Usefulness
from notbugs.models import frozen
from notbugs.models.folding import fast_view, threads_for
from notbugs.models.logits import require_features
from notbugs.progress import Progress, silent
from notbugs.tensors import Classifier, Images, PerExample
from notbugs.theory import dual_norm
from notbugs.threads import over_parts
from notbugs.threats import Threat

Flags = Bool[Tensor, " units"]

ROUNDING = 1e-6
"""A feature that deviates by less, relative to its values, is constant in float32."""


def usefulness(
    model: Classifier,
    data: LabeledImages,
    *,
    threat: Threat,
    generator: torch.Generator,
    attacked: int = 100,
    steps: int = 20,
    units: Sequence[int] | None = None,
    batch_size: int = 500,
    progress: Progress = silent,
) -> Usefulness:
    """Of every unit of `model.embed`, or of `units`: rho on all images, gamma on `attacked`, half of its class.

    Each image of each unit is searched from itself and from a random place in the threat, in `steps` steps of
    2.5 eps / steps, in float32: half of that precision would leave the least value a few percent too high. A search
    follows gradients: of features that have none (rounded, or computed without them) it says nothing, and they are
    `stuck`. Raises NotbugsError for a model without embed() or with one that gives no row of features to each image,
    for a class with fewer than two images, and for units that there are not.

    >>> from notbugs import L2, build, load
    >>> from notbugs.seeds import generator
    >>> found = usefulness(build("convnet-4-4-4-8", classes=10, seed=0), load("digits").first(200),
    ...     threat=L2(0.5), generator=generator(0), attacked=10, steps=3)
    >>> len(found.rho), bool((found.gamma <= found.rho).all())
    (8, True)
    """
    if attacked < 4:
        raise NotbugsError(f"attacked {attacked}: errors are known from 2 images of a class and 2 others on")
    require_positive("steps", steps)
    device, exact = data.images.device, embedding_of(model)
    require_features(model, data.images)
    fast = fast_view(model, torch.float32)
    searched = fast.embed if hasattr(fast, "embed") else exact
    with frozen(model):
        with torch.no_grad():
            # On the CPU from here on: not every accelerator knows float64.
            values = torch.cat([exact(part).cpu().double() for part in data.images.split(batch_size)])
        chosen = _chosen(units, values.shape[1])
        told = _told(values[:, chosen], data)
        done = count(1)  # whose next() no other thread comes between

        def drops(asked: tuple[int, Tensor, Tensor, torch.Generator]) -> tuple[Tensor, bool]:
            place, rows, sides, draw = asked
            fallen, stuck = _drops(
                searched,
                exact,
                chosen[place],
                data.images[rows],
                sides,
                threat=threat,
                steps=steps,
                generator=draw,
            )
            progress(next(done), len(chosen), "features attacked")
            return fallen, stuck

        threads = threads_for(fast, device)
        found = over_parts(drops, list(_asked(told, data, attacked, generator)), threads=threads)
        progress(len(chosen), len(chosen), "features attacked")  # two threads may report in either order
    fallen = torch.stack([drop for drop, _ in found]) / told.deviation[:, None]
    stuck = torch.tensor([is_stuck for _, is_stuck in found]) & told.moves
    half = fallen.shape[1] // 2
    own, rest = fallen[:, :half], fallen[:, half:]
    drop = (own.mean(1) + rest.mean(1)) / 2
    error = ((own.var(1) + rest.var(1)) / (4 * half)).sqrt()
    return told.robust(threat, drop, error, stuck, n=len(data), attacked=2 * half, of=values.shape[1])


def linear_usefulness(
    directions: Float[Tensor, "units channel height width"], data: LabeledImages, *, threat: Threat
) -> Usefulness:
    """Of the linear forms <a, x>, exactly; the pixel box is left out.

    >>> from notbugs import L2
    >>> from notbugs.data.planted import PlantedTruth, planted
    >>> found = linear_usefulness(PlantedTruth().directions("nonrobust")[:2], planted("test"), threat=L2(0.25))
    >>> found.kinds(), found.classes.tolist()
    (['non-robust', 'non-robust'], [0, 1])
    """
    told = _told(data.images.flatten(1).cpu().double() @ directions.flatten(1).cpu().double().T, data)
    drop = threat.eps * dual_norm(directions.cpu().double(), threat) / told.deviation
    exact, free = torch.zeros_like(drop), torch.zeros_like(told.moves)
    return told.robust(threat, drop, exact, free, n=len(data), attacked=0, of=len(directions))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Told:
    """What the features say without an adversary."""

    classes: Int[Tensor, " units"]
    signs: PerUnit
    rho: PerUnit
    errors: PerUnit
    deviation: PerUnit
    moves: Flags
    candidates: int

    def robust(
        self, threat: Threat, drop: PerUnit, error: PerUnit, stuck: Flags, *, n: int, attacked: int, of: int
    ) -> Usefulness:
        rho = torch.where(self.moves, self.rho, 0)
        return Usefulness(
            threat=threat,
            classes=self.classes,
            signs=self.signs,
            rho=rho,
            gamma=torch.where(self.moves, rho - drop, 0),
            rho_errors=self.errors,
            gamma_errors=(self.errors.square() + error.square()).sqrt(),
            stuck=stuck,
            n=n,
            attacked=attacked,
            candidates=self.candidates,
            of=of,
        )


def _told(values: Float[Tensor, "images units"], data: LabeledImages) -> _Told:
    """For each feature the class that it tells best; all means and variances with half of the weight on the class."""
    labels = data.labels.cpu()
    counts = torch.bincount(labels, minlength=data.classes)
    if int(counts.min()) < 2:
        missing = data.class_names[int(counts.argmin())]
        raise NotbugsError(f"usefulness is asked of every class: give 2 images or more of {missing}")
    # Variances are small differences of large squares, unless the mean has left first.
    size, values = values.abs().amax(0), values - values.mean(0)
    chosen = torch.nn.functional.one_hot(labels, data.classes).double()
    own_n, rest_n = counts.double()[:, None], (len(data) - counts).double()[:, None]
    total, square = values.sum(0), values.square().sum(0)
    own, own_square = (chosen.T @ values) / own_n, (chosen.T @ values.square()) / own_n
    rest, rest_square = (total - own * own_n) / rest_n, (square - own_square * own_n) / rest_n
    own_var, rest_var = (own_square - own.square()).clamp_min(0), (rest_square - rest.square()).clamp_min(0)
    deviation = ((own_var + rest_var) / 2 + (own - rest).square() / 4).sqrt()
    correlation = ((own - rest) / (2 * deviation)).nan_to_num()
    best = correlation.abs().argmax(0)
    error = ((own_var / own_n + rest_var / rest_n).sqrt() / (2 * deviation)).nan_to_num()

    def of_best(table: Float[Tensor, "classes units"]) -> PerUnit:
        return table.gather(0, best[None])[0]

    rho = of_best(correlation)
    return _Told(
        classes=best,
        signs=torch.where(rho < 0, -1.0, 1.0).double(),
        rho=rho.abs(),
        errors=of_best(error),
        deviation=of_best(deviation),
        moves=of_best(deviation) > ROUNDING * size,
        candidates=data.classes,
    )


def _asked(
    told: _Told, data: LabeledImages, attacked: int, generator: torch.Generator
) -> Iterator[tuple[int, Int[Tensor, " asked"], PerExample, torch.Generator]]:
    """Each feature with its images, as many of its class as of others, the direction in which each must not move, and
    a generator of its own.
    """
    labels, device = data.labels.cpu(), data.images.device
    counts = torch.bincount(labels, minlength=data.classes)
    half = min(attacked // 2, int(counts.min()), int((len(data) - counts).min()))

    def drawn(rows: Int[Tensor, " rows"]) -> Int[Tensor, " drawn"]:
        return rows[torch.randperm(len(rows), generator=generator, device=generator.device)[:half].cpu()]

    for unit, (best, sign) in enumerate(zip(told.classes.tolist(), told.signs.tolist(), strict=True)):
        rows = torch.cat([drawn((labels == best).nonzero()[:, 0]), drawn((labels != best).nonzero()[:, 0])])
        towards = torch.cat([torch.full((half,), sign), torch.full((half,), -sign)])
        own = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        draws = torch.Generator(device=device).manual_seed(own)
        yield unit, rows.to(device), towards.to(data.images), draws


def _drops(
    searched: Callable[[Tensor], Tensor],
    exact: Callable[[Tensor], Tensor],
    unit: int,
    images: Images,
    sides: PerExample,
    *,
    threat: Threat,
    steps: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, " asked"], bool]:
    """By how much y f falls at the most, found from the image and from a random place; whether neither moved."""

    def lowered(shown: Images) -> PerExample:
        return -sides * searched(shown)[:, unit].float()

    def measured(shown: Images) -> PerExample:
        with torch.no_grad():
            return -sides * exact(shown)[:, unit].float()

    after = before = measured(images)
    stuck = True
    for start in (images, threat.random_start(images, generator)):
        found = projected_ascent(
            lowered, start, threat=threat, centers=images, steps=steps, step_size=2.5 * threat.eps / steps
        )
        after = torch.maximum(after, measured(found))
        stuck = stuck and torch.equal(found, start)
    return (after - before).double().cpu(), stuck


def _chosen(units: Sequence[int] | None, width: int) -> list[int]:
    chosen = list(range(width) if units is None else units)
    if not chosen or not set(chosen) <= set(range(width)):
        raise NotbugsError(
            f"units must be some of the model's {width} features, 0 to {width - 1}: got {chosen}"
        )
    return chosen


__all__ = ["linear_usefulness", "usefulness"]
