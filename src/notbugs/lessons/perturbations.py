"""Learning from perturbations alone: the theory of Kumano et al. 2024 beside networks that are trained."""

import torch
from torch import Tensor

from notbugs.audits.estimate import mean_of
from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.theory import OneHiddenLayer, learned_accuracy, limit_output, perturbed
from notbugs.theory.perturbation_learning import boundary, fit

POINTS, DIMENSIONS, WIDTH, SLOPE = 100, 2000, 20, 0.2
BUDGETS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
REPEATED, TRAINED = 40, 4
"""How often the formula is held against the limit, and against networks."""


def perturbations_lesson(seed: int, progress: Progress = silent) -> Lesson:
    """Noise, moved towards random targets, and what a second network learns of the first one's points."""
    by_limit, by_network = [], []
    for done, eps in enumerate(BUDGETS):
        progress(done, len(BUDGETS), f"eps {eps:g}")
        draws = [_Draw(seed, number, eps) for number in range(REPEATED)]
        by_limit.append(torch.stack([one.accuracy_of_limit() for one in draws]))
        by_network.append(torch.stack([one.accuracy_of_network() for one in draws[:TRAINED]]))
    progress(len(BUDGETS), len(BUDGETS), "")
    formula = [learned_accuracy(eps, SLOPE, POINTS / DIMENSIONS) for eps in BUDGETS]
    agreement = _Draw(seed, 0, 0.0).agreement()
    spread = [float(one.std()) for one in by_limit]
    return Lesson(
        title="Learning from perturbations",
        source="Kumano, Kera and Yamasaki 2024; Ilyas et al. 2019, Section 3.2",
        claim="A network that is trained on noise with adversarial perturbations, under labels by the toss of a "
        "coin, is right on the points that the perturbations were made with, which it never saw.",
        findings=[
            "Right on the unseen points, by how far the noise was moved: "
            + ", ".join(
                f"{100 * float(found.mean()):.0f} % at L2 {eps:g} (formula {100 * wanted:.0f} %)"
                for eps, found, wanted in zip(BUDGETS, by_network, formula, strict=True)
            )
            + f"; both networks trained by gradient descent, {TRAINED} pairs for each. The noise itself has length "
            f"{DIMENSIONS**0.5:.0f}.",
            f"A trained network says what its limit says on {100 * agreement:.1f} % of fresh noise.",
        ],
        checks=[
            Check(
                what=f"accuracy on unseen points, eps {eps:g}, {how}", formula=wanted, found=float(found.mean()),
                allowed=3 * deviation / len(found) ** 0.5, by=f"{len(found)} draws of {POINTS} points",
            )
            for how, accuracies in (("limit of training", by_limit), ("trained networks", by_network))
            for eps, found, wanted, deviation in zip(BUDGETS, accuracies, formula, spread, strict=True)
        ],
        charts=[_chart(by_limit, by_network)],
    )  # fmt: skip


class _Draw:
    """Two sets of noise: points with labels, that the first network is trained on, and others that are moved."""

    def __init__(self, seed: int, number: int, eps: float) -> None:
        self.draw = generator(seed, "perturbations", number, str(eps))
        self.points = torch.randn(POINTS, DIMENSIONS, generator=self.draw)
        self.labels = torch.tensor([1.0, -1.0]).repeat(POINTS // 2)
        start = torch.randn(POINTS, DIMENSIONS, generator=self.draw)
        self.targets = torch.randint(2, (POINTS,), generator=self.draw).float() * 2 - 1
        self.start, self.eps = start, eps

    def accuracy_of_limit(self) -> Tensor:
        moved = perturbed(self.limit, self.start, self.targets, eps=self.eps)
        return self._right(self.points @ boundary(moved, self.targets))

    def accuracy_of_network(self) -> Tensor:
        """Both networks trained: the one whose gradients move the noise, and the one that learns from it."""
        first = self._trained(self.points, self.labels)
        moved = perturbed(first, self.start, self.targets, eps=self.eps)
        return self._right(self._trained(moved, self.targets)(self.points))

    def limit(self, z: Tensor) -> Tensor:
        return limit_output(self.points, self.labels, z, SLOPE)

    def agreement(self) -> float:
        """Of a network trained on the points and of its limit, on fresh noise."""
        fresh = torch.randn(5000, DIMENSIONS, generator=self.draw)
        trained = self._trained(self.points, self.labels)(fresh)
        return float((trained.sign() == self.limit(fresh).sign()).double().mean())

    def _right(self, said: Tensor) -> Tensor:
        return (said.sign() == self.labels).double().mean()

    def _trained(self, points: Tensor, labels: Tensor) -> OneHiddenLayer:
        network = OneHiddenLayer(DIMENSIONS, WIDTH, SLOPE, self.draw)
        fit(network, points, labels)
        return network


def _chart(by_limit: list[Tensor], by_network: list[Tensor]) -> Chart:
    budgets = torch.linspace(0, max(BUDGETS), 81).tolist()
    ends = [mean_of(one, possible=(0, 1)).interval or (0.0, 1.0) for one in by_limit]
    return Chart(
        title="What noise teaches when it is moved",
        caption=f"{POINTS} points in {DIMENSIONS} dimensions; labels of the noise by the toss of a coin. Band: 95 % "
        f"interval of the mean over {REPEATED} draws.",
        panels=[
            Panel(
                title="Accuracy on points never seen", x="how far the noise was moved, L2", y="accuracy",
                series=[
                    Series(
                        label="formula", x=budgets,
                        y=[learned_accuracy(eps, SLOPE, POINTS / DIMENSIONS) for eps in budgets], style="dashed",
                    ),
                    Series(
                        label="limit of training", x=BUDGETS, y=[float(one.mean()) for one in by_limit],
                        low=[low for low, _ in ends], high=[high for _, high in ends],
                    ),
                    Series(
                        label="trained networks", x=[eps for eps in BUDGETS for _ in range(TRAINED)],
                        y=torch.cat(by_network).tolist(), style="points",
                    ),
                ],
            )
        ],
    )  # fmt: skip


__all__ = ["perturbations_lesson"]
