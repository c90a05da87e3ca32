"""Robust learning needs more data: how many points Schmidt et al. 2018's two models take, as the dimension grows."""

import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from notbugs.audits.estimate import mean_of
from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.theory import BernoulliModel, GaussianModel
from notbugs.theory.gaussian import Vector

DIMENSIONS = tuple(2**k for k in range(10, 21, 2))
DRAWS = 12
EPS, REACHED = 0.5, 0.9
"""The budget in the Gaussian model, and the accuracy that is asked for. In the Bernoulli model the budget is tau."""

Needed = dict[str, list[list[float]]]
"""For each way to learn, the points needed: a list of draws for each dimension."""


def sample_complexity_lesson(seed: int, progress: Progress = silent) -> Lesson:
    """The points needed by draw and by limit, for 2^10 to 2^20 dimensions; slopes over them, with intervals."""
    needed: Needed = {}
    for done, d in enumerate(DIMENSIONS):
        progress(done, len(DIMENSIONS), f"{d} dimensions")
        for way, points in _needed(d, seed).items():
            needed.setdefault(way, []).append(points)
    progress(len(DIMENSIONS), len(DIMENSIONS), "")
    slopes = {way: _slopes(torch.tensor(points, dtype=torch.float64).T) for way, points in needed.items()}
    limit = [_limit_needed(d) for d in DIMENSIONS]
    wanted = float(_slopes(torch.tensor(limit, dtype=torch.float64)))
    dims = torch.tensor(DIMENSIONS, dtype=torch.float64)
    bound = float(_slopes(dims.sqrt() / dims.log()))
    found = slopes["Gaussian, under attack"]
    return Lesson(
        title="Robust learning needs more data",
        source="Schmidt et al. 2018, Theorems 4 to 6 and 8 to 10",
        claim="One point teaches to be right, whatever the dimension; to be right under attack takes a number that "
        "grows like its square root. Rounding the values first, where they are bits, takes one point again.",
        findings=[
            f"Points needed for {100 * REACHED:g} % right, by dimension d: "
            + "; ".join(f"{way}: d^{_exponent(slope)}" for way, slope in slopes.items())
            + f" (mean over {DRAWS} draws of the training data, 95 % interval). The theorems say 0 clean; under "
            f"attack sqrt(d) / log d or more, which is d^{bound:.2f} here, and in the Gaussian model d^0.50 at most.",
            f"At d = {DIMENSIONS[-1]} the Gaussian model takes {_typical(needed['Gaussian, under attack']):.0f} "
            f"points under attack and {_typical(needed['Gaussian, clean']):.0f} without; the Bernoulli model "
            f"{_typical(needed['Bernoulli, under attack']):.0f}, and "
            f"{_typical(needed['Bernoulli, rounded, under attack']):.0f} with rounded values.",
        ],
        checks=[
            Check(
                what="slope of the points needed under attack, Gaussian model",
                formula=wanted, found=float(found.mean()), allowed=_three_errors(found), by=f"{DRAWS} draws",
            ),
            *(
                Check(
                    what=f"slope under attack, {model} model: from that of sqrt(d) / log d to that of sqrt(d)",
                    formula=(0.5 + bound) / 2, found=float(slopes[f"{model}, under attack"].mean()),
                    allowed=(0.5 - bound) / 2, by=f"{DRAWS} draws",
                )
                for model in ("Gaussian", "Bernoulli")
            ),
            *_limit_checks(seed),
        ],
        charts=[_chart(needed, limit, seed)],
    )  # fmt: skip


def _needed(d: int, seed: int) -> dict[str, list[float]]:
    gaussian, bernoulli = GaussianModel.of(d), BernoulliModel.of(d)
    ways: dict[str, tuple[GaussianModel | BernoulliModel, Callable[[Vector], float]]] = {
        "Gaussian, clean": (gaussian, gaussian.accuracy),
        "Gaussian, under attack": (gaussian, partial(gaussian.accuracy, eps=EPS)),
        "Bernoulli, clean": (bernoulli, bernoulli.accuracy),
        "Bernoulli, under attack": (bernoulli, partial(bernoulli.accuracy, eps=bernoulli.tau)),
        "Bernoulli, rounded, under attack": (
            bernoulli,
            partial(bernoulli.rounded_accuracy, eps=bernoulli.tau),
        ),
    }
    return {
        way: [_least(partial(_taught, model, measure, seed, number), REACHED) for number in range(DRAWS)]
        for way, (model, measure) in ways.items()
    }


def _taught(
    model: GaussianModel | BernoulliModel, measure: Callable[[Vector], float], seed: int, number: int, n: int
) -> float:
    """The accuracy of what n points teach, in one draw."""
    return measure(model.learn(n, generator(seed, type(model).__name__, model.d, number)))


def _least(accuracy: Callable[[int], float], wanted: float) -> float:
    """The number of points that reach an accuracy, at least one; in between two numbers, as accuracy is."""
    low, high = 0, 1
    while accuracy(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1 and low:
        middle = (low + high) // 2
        low, high = (low, middle) if accuracy(middle) >= wanted else (middle, high)
    if not low:
        return 1.0
    below, above = accuracy(low), accuracy(high)
    return low + (wanted - below) / (above - below)


def _limit_needed(d: int) -> float:
    return _least(partial(GaussianModel.of(d).limit_accuracy, eps=EPS), REACHED)


def _slopes(points: Tensor) -> Tensor:
    """Of log n over log d by least squares, for every row of points needed, a column for each dimension."""
    logs = torch.tensor(DIMENSIONS, dtype=torch.float64).log()
    centered = logs - logs.mean()
    return (points.log() @ centered) / centered.square().sum()


def _limit_checks(seed: int) -> list[Check]:
    """Accuracies of single draws in many dimensions, against those without a draw."""
    d, checks = DIMENSIONS[-1], []
    model = GaussianModel.of(d)
    for n, eps in ((1, 0.0), (50, EPS), (60, EPS)):
        draws = torch.tensor(
            [_taught(model, partial(model.accuracy, eps=eps), seed, number, n) for number in range(DRAWS)]
        )
        checks.append(
            Check(
                what=f"accuracy of what {n} points teach, d {d}, eps {eps:g}",
                formula=model.limit_accuracy(n, eps), found=float(draws.mean()),
                allowed=_three_errors(draws) + 1e-3, by=f"{DRAWS} draws; 0.001 for the limit",
            )
        )  # fmt: skip
    return checks


def _chart(needed: Needed, limit: list[float], seed: int) -> Chart:
    dims = [float(d) for d in DIMENSIONS]
    ways = ("Gaussian, clean", "Bernoulli, clean", "Bernoulli, rounded, under attack")
    easy = [[one for way in ways for one in needed[way][place]] for place in range(len(dims))]
    numbers = list(range(1, 61))
    model = GaussianModel.of(2**14)
    taught = {
        eps: [_taught(model, partial(model.accuracy, eps=eps), seed, 0, n) for n in numbers]
        for eps in (0.0, 0.25, EPS)
    }
    return Chart(
        title="Points needed",
        caption=f"Left: the least number of training points with which the learned classifier is right on "
        f"{100 * REACHED:g} %; lines: median of {DRAWS} draws, bands: all of them. Under attack: Linf {EPS:g} in the "
        "Gaussian model, tau in the Bernoulli model. Right: one draw of the Gaussian model in 2^14 dimensions.",
        panels=[
            Panel(
                title="By dimension", x="dimensions", y="points needed", log="xy",
                series=[
                    _line("Gaussian, under attack", needed["Gaussian, under attack"]),
                    Series(label="the same in the limit", x=dims, y=limit, style="dashed"),
                    _line("Bernoulli, under attack", needed["Bernoulli, under attack"]),
                    _line("both clean, and Bernoulli rounded", easy),
                ],
            ),
            Panel(
                title="By points", x="training points", y="accuracy", log="x",
                series=[
                    Series(label=f"under attack, eps {eps:g}" if eps else "clean", x=numbers, y=accuracies)
                    for eps, accuracies in taught.items()
                ],
            ),
        ],
    )  # fmt: skip


def _line(label: str, points: list[list[float]]) -> Series:
    return Series(
        label=label, x=[float(d) for d in DIMENSIONS], y=[statistics.median(one) for one in points],
        low=[min(one) for one in points], high=[max(one) for one in points],
    )  # fmt: skip


def _typical(points: list[list[float]]) -> float:
    """The median of the last dimension."""
    return statistics.median(points[-1])


def _exponent(slopes: Tensor) -> str:
    found = mean_of(slopes)
    low, high = found.interval or (found.value, found.value)
    return f"{found.value:.2f} [{low:.2f}, {high:.2f}]"


def _three_errors(draws: Tensor) -> float:
    return 3 * float(draws.std()) / len(draws) ** 0.5


__all__ = ["sample_complexity_lesson"]
