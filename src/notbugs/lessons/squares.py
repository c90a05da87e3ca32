"""Adversarial Squares: a network that a tiny change fools where no useful feature is non-robust (Nakkiran 2019)."""

import torch
from torch import Tensor, nn

from notbugs.attacks import PGD
from notbugs.audits import Proportion, predictions
from notbugs.data.labeled import LabeledImages
from notbugs.data.squares import CONTRAST, NOISE, squares
from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series, in_percent
from notbugs.models import build
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.threats import Linf
from notbugs.training import TrainConfig, train

IMAGES, TESTED, SIZE, ARCH = 200, 150, 32, "convnet-64-128-128-256"
EPOCHS, BRIEF = 300, 5
BUDGETS = (0.002, 0.005, 0.01, 0.03, 0.1, 0.3, 0.6, 0.89, 1.11)
"""Linf, of the contrast: the unit of the source."""
SMALL = 0.03
"""The budget at which the trained network must have flipped, a thirtieth of what the linear classifier withstands."""


def squares_lesson(seed: int, progress: Progress = silent) -> Lesson:
    """A linear classifier, exactly; a network after few epochs, and after many with and without wrong labels."""
    test = squares("test", count=TESTED, image_size=SIZE, seed=seed)
    noisy, clean = (squares(count=IMAGES, wrong=wrong, image_size=SIZE, seed=seed) for wrong in (0.1, 0.0))
    long_name, brief_name, clean_name = f"{EPOCHS} epochs", f"{BRIEF} epochs", "no wrong labels"
    networks: dict[str, nn.Module] = {}
    robust: dict[str, list[Proportion]] = {}
    plan = ((brief_name, noisy, BRIEF), (long_name, noisy, EPOCHS), (clean_name, clean, EPOCHS))
    for done, (name, data, epochs) in enumerate(plan):
        progress(done, len(plan), name)
        networks[name] = _trained(data, epochs, seed)
        robust[name] = _robust_accuracies(networks[name], test, seed)
    progress(len(plan), len(plan), "")
    linear = _robust_accuracies(SignOfTheMean(), test, seed)
    long, brief = robust[long_name], robust[brief_name]
    by_heart = {
        name: in_percent(_learned_by_heart(networks[name], noisy)) for name in (long_name, brief_name)
    }
    at, by = BUDGETS.index(SMALL), f"PGD, {TESTED} images"
    return Lesson(
        title="Bugs without features",
        source="P. Nakkiran 2019, Distill: Adversarial Examples are Just Bugs, Too",
        claim="A network can be fooled by almost nothing although nothing in the data is useful and not robust: "
        "here it has learned wrong labels by heart. That adversarial examples are features is not a law.",
        findings=[
            f"The grey of a square says its class: the sign of the mean withstands every change below "
            f"{1 - NOISE:g} of the contrast. A network after {EPOCHS} epochs on {IMAGES} squares, a tenth of them "
            f"under the wrong label, is right on {in_percent(long[0])} within {BUDGETS[0]}, and on "
            f"{in_percent(long[at])} within {SMALL}; after {BRIEF} epochs on {in_percent(brief[at])}.",
            f"It gives {by_heart[long_name]} of the wrongly labelled training images their wrong "
            f"label; after {BRIEF} epochs {by_heart[brief_name]}.",
            f"Trained for as long without a wrong label, it is right on {in_percent(robust[clean_name][at])} "
            f"within {SMALL}.",
        ],
        checks=[
            *(
                Check(
                    what=f"accuracy of the sign of the mean within {eps} of the contrast",
                    formula=float(eps < 1), found=found.value, allowed=0.0, by=by,
                )
                for eps, found in zip(BUDGETS, linear, strict=True)
            ),
            Check(
                what=f"accuracy of the network within {SMALL}: gone",
                formula=0.0, found=long[at].value, allowed=0.1, by=by,
            ),
            Check(
                what=f"accuracy of the network after few epochs within {SMALL}: still there",
                formula=1.0, found=brief[at].value, allowed=0.1, by=by,
            ),
            Check(
                what=f"accuracy of the network without wrong labels within {SMALL}: still there",
                formula=1.0, found=robust[clean_name][at].value, allowed=0.1, by=by,
            ),
        ],
        charts=[_chart({"sign of the mean": linear, **robust})],
    )  # fmt: skip


class SignOfTheMean(nn.Module):
    """The linear classifier: lighter than grey, or darker."""

    def forward(self, images: Tensor) -> Tensor:
        light = images.flatten(1).mean(1) - 0.5
        return torch.stack([-light, light], dim=1)


def _trained(data: LabeledImages, epochs: int, seed: int) -> nn.Module:
    config = TrainConfig(epochs=epochs, lr=0.02, weight_decay=0.0, batch_size=64)
    return train(build(ARCH, classes=2, image_size=SIZE, seed=seed), data, config, seed=seed)


def _learned_by_heart(model: nn.Module, data: LabeledImages) -> Proportion:
    """How many of the wrong labels the model gives their images."""
    turned = data.labels != data.columns["true_label"]
    kept = predictions(model, data.images[turned]) == data.labels[turned]
    return Proportion(int(kept.sum()), len(kept))


def _robust_accuracies(model: nn.Module, test: LabeledImages, seed: int) -> list[Proportion]:
    """Within every budget; an image that a smaller one felled stays felled."""
    standing, found = predictions(model, test.images) == test.labels, []
    for eps in BUDGETS:
        left = test.take(standing) if bool(standing.any()) else None
        if left is not None:
            threat = Linf(eps * CONTRAST)
            attack = PGD(threat=threat, steps=20, step_size=threat.eps / 5, stop_when_fooled=True)
            draw = generator(seed, "squares", str(eps))
            moved = attack(model, left.images, left.labels, generator=draw)
            standing[standing.clone()] = predictions(model, moved) == left.labels
        found.append(Proportion(int(standing.sum()), len(test)))
    return found


def _chart(found: dict[str, list[Proportion]]) -> Chart:
    """The first line dashed: it is exact."""
    series = [
        Series(
            label=name,
            x=BUDGETS,
            y=[one.value for one in shares],
            low=[one.interval[0] for one in shares],
            high=[one.interval[1] for one in shares],
            style="line" if number else "dashed",
        )
        for number, (name, shares) in enumerate(found.items())
    ]
    return Chart(
        title="What each withstands",
        caption=f"Accuracy on {TESTED} new squares within each Linf budget, given as a part of the contrast; PGD of "
        "20 steps, bands are 95 % intervals.",
        panels=[Panel(title="Under attack", x="eps, of the contrast", y="accuracy", log="x", series=series)],
    )


__all__ = ["SignOfTheMean", "squares_lesson"]
