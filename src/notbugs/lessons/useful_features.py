"""Useful features that are not robust, all linear: after Goh 2019, "Two Examples of Useful, Non-Robust Features"."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from notbugs.audits import Proportion
from notbugs.data import LabeledImages, load
from notbugs.features import USEFUL, Usefulness, linear_usefulness, usefulness
from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series, in_percent
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.threats import L2

WITH_A_HOLE = (0, 6, 8, 9)
THREAT = L2(0.5)
SEARCHED = 8
"""Features whose gamma is searched for as well, the most useful ones."""


def useful_features_lesson(seed: int, progress: Progress = silent) -> Lesson:
    """rho and gamma of the singular vectors of handwritten digits, and what can be made of those not robust."""
    train, test = (_two_classes(load("digits", split=split)) for split in ("train", "test"))
    directions = _singular_vectors(train)
    exact = linear_usefulness(directions, train, threat=THREAT)
    most = exact.rho.topk(SEARCHED).indices
    found = usefulness(
        _Forms(directions[most]), train, threat=THREAT, generator=generator(seed, "useful features"),
        attacked=200, steps=40, progress=progress,
    )  # fmt: skip
    kinds = exact.kinds()
    weights = _ensemble(directions, exact)
    brittle = weights[[kind == "non-robust" for kind in kinds]].sum(0)
    sturdy = weights[[kind == "robust" for kind in kinds]].sum(0)
    towards = _towards_their_class(train, test)
    told = {
        name: [_accuracy(one, towards, eps) for eps in (0.0, THREAT.eps)]
        for name, one in (("brittle", brittle), ("sturdy", sturdy))
    }
    return Lesson(
        title="Useful, and not robust",
        source="Goh 2019; Ilyas et al. 2019, Section 2",
        claim="Of a linear feature usefulness and robust usefulness differ by eps times its dual norm, over its "
        "deviation: features of small variance tell the class and lose it to a small change.",
        findings=[
            f"Does a handwritten digit have a hole (0, 6, 8, 9)? Of {len(kinds)} singular vectors "
            f"{kinds.count('robust')} are robustly useful within {THREAT}, {kinds.count('non-robust')} useful and "
            f"not robust, {kinds.count('useless')} useless (rho below {USEFUL}).",
            f"Those that are useful and not robust, added up, are right on {in_percent(told['brittle'][0])} of new "
            f"images and on {in_percent(told['brittle'][1])} within {THREAT}; the robust ones on "
            f"{in_percent(told['sturdy'][0])} and {in_percent(told['sturdy'][1])} (n = {len(test)}, 95 % intervals).",
        ],
        checks=[
            Check(
                what=f"gamma of feature {unit}", formula=float(exact.gamma[unit]), found=float(found.gamma[row]),
                allowed=1e-3, by="search, 40 steps",
            )
            for row, unit in enumerate(most.tolist())
        ],
        charts=[_chart(exact, brittle, sturdy, towards)],
    )  # fmt: skip


class _Forms(nn.Module):
    """A model whose features are linear forms."""

    def __init__(self, directions: Tensor) -> None:
        super().__init__()
        self.directions = nn.Parameter(directions)

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.directions.flatten(1).T

    forward = embed


def _two_classes(data: LabeledImages) -> LabeledImages:
    """Without a hole and with one, paler so that no change meets the box: the formulas leave it out."""
    labels = torch.isin(data.labels, torch.tensor(WITH_A_HOLE)).long()
    return replace(data, images=0.25 + data.images / 2, labels=labels, class_names=("without", "with"))


def _singular_vectors(data: LabeledImages) -> Tensor:
    """Directions of one length in which the images differ at all, the most first."""
    flat = data.images.flatten(1).double()
    _, values, vectors = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    kept = vectors[values > 1e-4 * values[0]]
    return kept.view(-1, *data.images.shape[1:]).float()


def _ensemble(directions: Tensor, exact: Usefulness) -> Tensor:
    """Each feature with the sign in which it speaks for class 1, as Goh adds them up."""
    towards = exact.signs * torch.where(exact.classes == 1, 1, -1)
    return directions.flatten(1).double() * towards[:, None]


def _towards_their_class(train: LabeledImages, test: LabeledImages) -> Tensor:
    """Every test image as it lies from the middle of the two classes' means, turned round for class 0."""
    middle = sum(train.images[train.labels == one].flatten(1).double().mean(0) for one in (0, 1)) / 2
    return (test.images.flatten(1).double() - middle) * (2 * test.labels - 1)[:, None]


def _accuracy(weights: Tensor, towards: Tensor, eps: float) -> Proportion:
    """Of the sign of <w, x> above the middle, under L2 changes of eps; exact."""
    return Proportion(int((towards @ weights > eps * weights.norm()).sum()), len(towards))


def _chart(exact: Usefulness, brittle: Tensor, sturdy: Tensor, towards: Tensor) -> Chart:
    kinds = exact.kinds()
    clouds = []
    for kind in ("robust", "non-robust", "useless"):
        rows = [row for row, one in enumerate(kinds) if one == kind and float(exact.gamma[row]) > -3]
        clouds.append(
            Series(label=kind, x=exact.rho[rows].tolist(), y=exact.gamma[rows].tolist(), style="points")
        )
    shares = torch.linspace(0, 1, 41).tolist()
    mixed = [(1 - a) * brittle / brittle.norm() + a * sturdy / sturdy.norm() for a in shares]
    return Chart(
        title="What an adversary leaves of each feature",
        caption=f"Left: every singular vector of the training images (gamma below −3 left out); within {THREAT}. "
        "Right: from the features that are not robust to those that are, exact accuracies on new images.",
        panels=[
            Panel(title="Usefulness", x="rho", y="gamma", series=clouds),
            Panel(
                title="One inside the other", x="share of the robust features", y="accuracy",
                series=[
                    Series(
                        label=f"within L2 {eps:g}" if eps else "clean", x=shares,
                        y=[_accuracy(one, towards, eps).value for one in mixed],
                        style="dashed" if eps else "line",
                    )
                    for eps in (0.0, THREAT.eps / 2, THREAT.eps)
                ],
            ),
        ],
    )  # fmt: skip


__all__ = ["useful_features_lesson"]
