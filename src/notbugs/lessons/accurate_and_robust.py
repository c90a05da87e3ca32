"""Where a perfect classifier exists and maximum likelihood finds one that is not robust (Ilyas et al. 2019, D.10)."""

import torch
from torch import Tensor
from torch.nn import functional

from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series, drawn
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.theory import TwoFeatures, robust_fit

DRAWS, SHOWN = 1_000_000, 150
BUDGETS = (0.3, 0.5, 1.2)
TRAINED_AGAINST = 0.5


def accurate_and_robust_lesson(seed: int, progress: Progress = silent) -> Lesson:
    """Exact accuracies of four classifiers of the same points, each against a million draws."""
    progress(0, 1, "")
    toy = TwoFeatures()
    points, labels = toy.draw(DRAWS, generator(seed, "two features"))
    classifiers = {
        "maximum likelihood": torch.linalg.solve(toy.covariance, toy.means),
        f"against L2 {TRAINED_AGAINST}": torch.linalg.solve(
            robust_fit(toy.covariance, TRAINED_AGAINST).covariance, toy.means
        ),
        "logistic regression": _logistic(points[:1000], labels[:1000]),
        "the large feature alone": torch.tensor([1.0, 0.0], dtype=torch.float64),
    }
    classifiers = {name: weights / weights.norm() for name, weights in classifiers.items()}
    checks = [
        Check(
            what=f"accuracy within L2 {eps:g}, {name}", formula=exact,
            found=float((labels * (points @ weights) > eps).double().mean()),
            allowed=3 * (exact * (1 - exact) / DRAWS) ** 0.5, by=drawn(DRAWS),
        )
        for name, weights in classifiers.items()
        for eps in BUDGETS
        for exact in [toy.accuracy(weights, eps)]
    ]  # fmt: skip
    progress(1, 1, "")
    fitted = classifiers["maximum likelihood"]
    return Lesson(
        title="Accurate, robust, and not found",
        source="after Ilyas et al. 2019, Appendix D.10 and Figure 14; the numbers are ours",
        claim="A classifier that is perfectly accurate and robust exists, and maximum likelihood finds one that is "
        "accurate and not robust: the loss asks for the feature that varies least, whatever its size.",
        findings=[
            f"Maximum likelihood is right on {100 * toy.accuracy(fitted):.0f} % and, within L2 0.5, on "
            f"{100 * toy.accuracy(fitted, 0.5):.1f} %; its nearest point lies {toy.margin(fitted):.2f} from the "
            f"boundary. For the large feature alone that is {toy.margin(torch.tensor([1.0, 0.0])):.2f}.",
            f"The same likelihood against L2 {TRAINED_AGAINST} is right on "
            f"{100 * toy.accuracy(classifiers[f'against L2 {TRAINED_AGAINST}'], 0.5):.0f} % within L2 0.5.",
            "It depends on the loss: logistic regression, which goes to the largest margin, has "
            f"{toy.margin(classifiers['logistic regression']):.2f} here. What is shown is that a loss can be at "
            "fault, not that every loss is.",
        ],
        checks=checks,
        charts=[_chart(toy, classifiers, points[:SHOWN], labels[:SHOWN])],
    )  # fmt: skip


def _logistic(points: Tensor, labels: Tensor) -> Tensor:
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        loss: Tensor = (
            functional.softplus(-labels * (points @ weights)).mean() + 1e-5 * weights.square().sum()
        )
        loss.backward()
        return loss

    search.step(closure)
    return weights.detach()


def _chart(toy: TwoFeatures, classifiers: dict[str, Tensor], points: Tensor, labels: Tensor) -> Chart:
    budgets = torch.linspace(0, 1.2, 121).tolist()
    ends = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    clouds = [
        Series(
            label=name, x=points[labels == y, 0].tolist(), y=points[labels == y, 1].tolist(), style="points"
        )
        for name, y in (("y = +1", 1), ("y = −1", -1))
    ]
    boundaries = []
    for name in ("maximum likelihood", "the large feature alone"):
        across = torch.stack([-classifiers[name][1], classifiers[name][0]])
        line = ends * across * min(3.4 / float(across[0].abs().clamp_min(1e-9)), 1.2 / float(across[1].abs()))
        boundaries.append(
            Series(
                label=f"boundary, {name}", x=line[:, 0].tolist(), y=line[:, 1].tolist(),
                style="dashed" if name == "maximum likelihood" else "line",
            )
        )  # fmt: skip
    return Chart(
        title="Two boundaries without an error",
        caption="Left: both boundaries divide all points; one passes close by them. A unit is as long on both axes. "
        "Right: exact accuracies by what the adversary may do.",
        panels=[
            Panel(
                title="The points", x="large feature", y="small feature", equal=True,
                series=[*clouds, *boundaries],
            ),
            Panel(
                title="Under attack", x="eps, L2", y="accuracy",
                series=[
                    Series(label=name, x=budgets, y=[toy.accuracy(weights, eps) for eps in budgets])
                    for name, weights in classifiers.items()
                ],
            ),
        ],
    )  # fmt: skip


__all__ = ["accurate_and_robust_lesson"]
