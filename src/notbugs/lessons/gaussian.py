"""Robust maximum likelihood of two Gaussians: Theorems 1 to 3 and Figure 4 of Ilyas et al. 2019."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch

from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series, drawn
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.theory import (
    descended_fit,
    linear_accuracy,
    penalized_gap,
    pointwise_fit,
    robust_fit,
    robust_loss,
    worst_alignment,
)
from notbugs.theory.gaussian import Matrix, Points, RobustFit, Vector

DIMENSIONS, BUDGETS = (2, 10, 50, 200), (0.1, 1.0, 10.0)
DRAWS, PART = 1_000_000, 50_000
TOLERANCE = 1e-3
"""Relative: how near descent must come."""

FIGURE_4 = (0.0, 1.0, 10.0)
MEAN = torch.tensor([2.0, 0.2], dtype=torch.float64)
COVARIANCE = torch.tensor([[4.0, 1.9], [1.9, 1.2]], dtype=torch.float64)
"""Two dimensions to look at: the classes differ along the axis of most spread, and a little along the steady one."""


def gaussian_lesson(seed: int, progress: Progress = silent, *, draws: int = DRAWS) -> Lesson:
    """Formula beside experiment for random covariances of 2 to 200 dimensions, each with `draws` of the data."""
    checks: list[Check] = []
    for done, d in enumerate(DIMENSIONS):
        progress(done, len(DIMENSIONS), f"{d} dimensions")
        checks += _checks(d, seed, draws)
    progress(len(DIMENSIONS), len(DIMENSIONS), "")
    apart = {d: _pointwise_difference(d, seed) for d in (2, 10, 50)}
    return Lesson(
        title="Robust maximum likelihood",
        source="Ilyas et al. 2019, Section 4: Theorems 1 to 3, Figure 4",
        claim="Two Gaussians fitted against an adversary keep their means; the fitted covariance blends with the "
        "identity, so that gradients turn towards the difference of the classes.",
        findings=_findings(checks, apart),
        checks=checks,
        charts=[_figure_4(seed), _sweep()],
    )


def random_covariance(d: int, seed: int) -> Matrix:
    """Positive definite, of no particular axes: of 2 d random vectors."""
    vectors = torch.randn(d, 2 * d, generator=generator(seed, "covariance", d), dtype=torch.float64)
    return vectors @ vectors.T / (2 * d)


def _checks(d: int, seed: int, draws: int) -> list[Check]:
    """For every budget, all on the same draws."""
    truth = random_covariance(d, seed)
    mean = torch.randn(d, generator=generator(seed, "mean", d), dtype=torch.float64)
    settings = [_Setting(truth=truth, mean=2 * mean / mean.norm(), eps=eps) for eps in BUDGETS]
    found = _averages([one.measure for one in settings], truth, generator(seed, "draws", d), draws)
    checks = []
    for setting, averages in zip(settings, found, strict=True):
        where = f"{d} dimensions, eps {setting.eps:g}"
        descended, fitted = descended_fit(truth, setting.eps), setting.fit.covariance
        apart = float((descended - fitted).norm() / fitted.norm())
        checks.append(
            Check(
                what=f"fitted covariance, relative difference; {where}",
                formula=0.0, found=apart, allowed=TOLERANCE, by="descent",
            )
        )  # fmt: skip
        for (what, formula), (average, error) in zip(setting.formulas.items(), averages, strict=True):
            if "accuracy" in what:  # its error is known, and not 0 where no draw was wrong
                error = math.sqrt(formula * (1 - formula) / draws)
            checks.append(
                Check(
                    what=f"{what}; {where}",
                    formula=formula, found=average, allowed=3 * error, by=drawn(draws),
                )
            )  # fmt: skip
    return checks


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Setting:
    """One truth and one budget."""

    truth: Matrix
    mean: Vector
    eps: float

    @cached_property
    def fit(self) -> RobustFit:
        return robust_fit(self.truth, self.eps)

    @cached_property
    def weights(self) -> Vector:
        """Of the fitted classifier, of length 1."""
        weights = torch.linalg.solve(self.fit.covariance, self.mean)
        return weights / weights.norm()

    @cached_property
    def reach(self) -> float:
        """A budget that takes a quarter of the way from a mean to the boundary."""
        return 0.25 * float(self.mean @ self.weights)

    @cached_property
    def penalty(self) -> float:
        """Of Theorem 1's adversary: the smaller, the farther it goes; above the least that holds it back."""
        return (1.5 + 1 / self.eps) / float(torch.linalg.eigvalsh(self.truth)[0])

    @property
    def formulas(self) -> dict[str, float]:
        return {
            "what the adversary spends, E ||d||²": self.eps**2,
            "NLL under attack": robust_loss(self.fit.covariance, self.truth, self.eps),
            "Theorem 1, doubled NLL that the true parameters lose": penalized_gap(self.truth, self.penalty),
            "accuracy of the fitted classifier": linear_accuracy(self.weights, self.mean, self.truth),
            f"its accuracy within L2 {self.reach:.2g}": linear_accuracy(
                self.weights, self.mean, self.truth, self.reach
            ),
        }

    @cached_property
    def measure(self) -> Callable[[Points], torch.Tensor]:
        """For every deviation from the mean what the formulas are the means of, a column each."""
        d = len(self.truth)
        eye = torch.eye(d, dtype=torch.float64)
        spends = torch.linalg.inv(self.fit.multiplier * self.fit.covariance - eye)
        moves = eye + torch.linalg.inv(self.penalty * self.truth - eye)
        whitens, whitened = (
            torch.linalg.cholesky(torch.linalg.inv(one)) for one in (self.fit.covariance, self.truth)
        )
        harms, loses = (eye + spends) @ whitens, moves @ whitened
        spends, harms, loses, whitened = (one.float() for one in (spends, harms, loses, whitened))
        constant = 0.5 * (d * math.log(2 * math.pi) + float(self.fit.covariance.logdet()))
        direction, center = self.weights.float(), float(self.mean @ self.weights)

        def of(v: Points) -> torch.Tensor:
            reached = v @ direction + center
            return torch.stack([
                (v @ spends).square().sum(1),
                constant + 0.5 * (v @ harms).square().sum(1),
                (v @ loses).square().sum(1) - (v @ whitened).square().sum(1),
                (reached > 0).float(),
                (reached > self.reach).float(),
            ], dim=1)  # fmt: skip

        return of


def _averages(
    measures: Sequence[Callable[[Points], torch.Tensor]],
    truth: Matrix,
    draw: torch.Generator,
    draws: int,
) -> list[list[tuple[float, float]]]:
    """Mean and standard error of every column of every measure, over `draws` of N(0, truth)."""
    factor = torch.linalg.cholesky(truth).T.float()
    total = square = torch.zeros(1, 1, dtype=torch.float64)
    for start in range(0, draws, PART):
        v = torch.randn(min(PART, draws - start), len(truth), generator=draw) @ factor
        values = torch.stack([measure(v) for measure in measures]).double()
        total, square = total + values.sum(1), square + values.square().sum(1)
    mean = total / draws
    error = ((square / draws - mean.square()).clamp_min(0) / draws).sqrt()
    return [list(zip(*one, strict=True)) for one in zip(mean.tolist(), error.tolist(), strict=True)]


def _pointwise_difference(d: int, seed: int) -> float:
    """How much the fit changes where each point has a budget of its own, both fitted to the same 4000 points."""
    draw = torch.randn(4000, d, generator=generator(seed, "pointwise", d), dtype=torch.float64)
    points = draw @ torch.linalg.cholesky(random_covariance(d, seed)).T
    shared = robust_fit(points.T @ points / len(points), 1.0).covariance
    return float((pointwise_fit(points, 1.0) - shared).norm() / shared.norm())


def _findings(checks: Sequence[Check], apart: dict[int, float]) -> list[str]:
    descents = [one.found for one in checks if one.by == "descent"]
    others = [one for one in checks if one.by != "descent"]
    return [
        f"Descent on the robust loss ends within {max(descents):.1g} of the closed form, relative, for all "
        f"{len(descents)} settings of {DIMENSIONS[0]} to {DIMENSIONS[-1]} dimensions and eps {BUDGETS[0]:g} to "
        f"{BUDGETS[-1]:g}.",
        f"{sum(one.holds for one in others)} of {len(others)} numbers of the formulas lie within three standard "
        f"errors of {others[0].by}; by chance alone {0.0027 * len(others):.1f} would not.",
        "The formulas let the adversary spend its budget on average, E ||d||² ≤ eps². Where every point has a budget "
        "of its own, ||d|| ≤ eps, as in adversarial training, the fitted covariance differs by "
        + ", ".join(f"{100 * found:.1f} % ({d} dimensions)" for d, found in apart.items())
        + ".",
        "The paper's equation 27 writes eps where its set of perturbations gives eps²; here it is eps².",
    ]


def _figure_4(seed: int) -> Chart:
    draw = torch.randn(150, 2, generator=generator(seed, "figure 4"), dtype=torch.float64)
    points = draw @ torch.linalg.cholesky(COVARIANCE).T
    panels = []
    for eps in FIGURE_4:
        fitted = robust_fit(COVARIANCE, eps).covariance
        gradient = torch.linalg.solve(fitted, MEAN)
        panels.append(
            Panel(
                title=f"eps {eps:g}: cosine {_cosine(gradient):.2f}",
                x="", y="", equal=True,
                series=[
                    _dots("y = +1", points[:75] + MEAN), _dots("y = −1", points[75:] - MEAN),
                    _path("fitted covariance", _ellipse(fitted) + MEAN), _path("", _ellipse(fitted) - MEAN),
                    _path("boundary", torch.stack([-6 * _across(gradient), 6 * _across(gradient)]), dashed=True),
                    _path("gradient", torch.stack([torch.zeros(2), 4 * gradient / gradient.norm()])),
                ],
            )
        )  # fmt: skip
    return Chart(
        title="Figure 4: what is fitted, and where the gradient points",
        caption="Points of both classes, the fitted covariance around each mean (one deviation), the boundary, and "
        "the direction in which the classifier's answer grows fastest; cosine: its own with the difference of the "
        "means.",
        panels=panels,
    )


def _sweep() -> Chart:
    budgets = torch.logspace(-2, 1.5, 60).tolist()
    fits = [robust_fit(COVARIANCE, eps).covariance for eps in budgets]
    gradients = [torch.linalg.solve(fitted, MEAN) for fitted in fits]
    return Chart(
        title="The price and the gain, by the budget trained against",
        caption="The same two Gaussians. Left: Theorem 3's worst case over all means is Kantorovich's bound. Right: "
        "exact accuracies of the fitted classifier.",
        panels=[
            Panel(
                title="How far gradients point to the other class", x="eps of training", y="cosine", log="x",
                series=[
                    Series(label="these means", x=budgets, y=[_cosine(one) for one in gradients]),
                    Series(
                        label="the worst means", x=budgets, y=[worst_alignment(one) for one in fits], style="dashed"
                    ),
                ],
            ),
            Panel(
                title="How often it is right", x="eps of training", y="accuracy", log="x",
                series=[
                    Series(
                        label=f"within L2 {eps:g}" if eps else "clean", x=budgets,
                        y=[linear_accuracy(g, MEAN, COVARIANCE, eps) for g in gradients],
                        style="dashed" if eps else "line",
                    )
                    for eps in (0.0, 0.5, 1.0)
                ],
            ),
        ],
    )  # fmt: skip


def _cosine(gradient: Vector) -> float:
    """How far a gradient points along the difference of the means."""
    return float(gradient @ MEAN / (gradient.norm() * MEAN.norm()))


def _ellipse(covariance: Matrix) -> Points:
    angles = torch.linspace(0, 2 * math.pi, 61, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1) @ torch.linalg.cholesky(covariance).T


def _across(direction: Vector) -> Vector:
    return torch.stack([-direction[1], direction[0]]) / direction.norm()


def _dots(label: str, points: Points) -> Series:
    return Series(label=label, x=points[:, 0].tolist(), y=points[:, 1].tolist(), style="points")


def _path(label: str, points: Points, *, dashed: bool = False) -> Series:
    return Series(
        label=label, x=points[:, 0].tolist(), y=points[:, 1].tolist(), style="dashed" if dashed else "line"
    )


__all__ = ["gaussian_lesson", "random_covariance"]
