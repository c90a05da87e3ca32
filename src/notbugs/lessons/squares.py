"""Adversarial Squares: a network that a tiny change fools where no useful feature is non-robust (Nakkiran 2019)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from notbugs.attacks import PGD
from notbugs.audits import Proportion, predictions
from notbugs.data.labeled import LabeledImages
from notbugs.data.squares import CONTRAST, NOISE, squares
from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series, Style
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


class Trained(NamedTuple):
    """Accuracies within each budget, and how many of the wrong labels were learned."""

    robust: list[Proportion]
    learned_by_heart: Proportion | None


def squares_lesson(seed: int, progress: Progress = silent) -> Lesson:
    """A linear classifier, exactly; a network after few epochs, and after many with and without wrong labels."""
    test = squares("test", count=TESTED, image_size=SIZE, seed=seed)
    noisy, clean = (squares(count=IMAGES, wrong=wrong, image_size=SIZE, seed=seed) for wrong in (0.1, 0.0))
    long_name, brief_name, clean_name = f"{EPOCHS} epochs", f"{BRIEF} epochs", "no wrong labels"
    networks: dict[str, Trained] = {}
    plan = ((brief_name, noisy, BRIEF), (long_name, noisy, EPOCHS), (clean_name, clean, EPOCHS))
    for done, (name, data, epochs) in enumerate(plan):
        progress(done, len(plan), name)
        networks[name] = _trained(data, epochs, test, seed)
    progress(len(plan), len(plan), "")
    linear = _robust_accuracies(SignOfTheMean(), test, seed)
    long, brief = networks[long_name], networks[brief_name]
    at, by = BUDGETS.index(SMALL), f"PGD, {TESTED} images"
    return Lesson(
        title="Bugs without features",
        source="P. Nakkiran 2019, Distill: Adversarial Examples are Just Bugs, Too",
        claim="A network can be fooled by almost nothing although nothing in the data is useful and not robust: "
        "here it has learned wrong labels by heart. That adversarial examples are features is not a law.",
        findings=[
            f"The grey of a square says its class: the sign of the mean withstands every change below "
            f"{1 - NOISE:g} of the contrast. A network after {EPOCHS} epochs on {IMAGES} squares, a tenth of them "
            f"under the wrong label, is right on {_percent(long.robust[0])} within {BUDGETS[0]}, and on "
            f"{_percent(long.robust[at])} within {SMALL}; after {BRIEF} epochs on {_percent(brief.robust[at])}.",
            f"It gives {_percent(long.learned_by_heart)} of the wrongly labelled training images their wrong "
            f"label; after {BRIEF} epochs {_percent(brief.learned_by_heart)}.",
            f"Trained for as long without a wrong label, it is right on {_percent(networks[clean_name].robust[at])} "
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
                formula=0.0, found=long.robust[at].value, allowed=0.1, by=by,
            ),
            Check(
                what=f"accuracy of the network after few epochs within {SMALL}: still there",
                formula=1.0, found=brief.robust[at].value, allowed=0.1, by=by,
            ),
            Check(
                what=f"accuracy of the network without wrong labels within {SMALL}: still there",
                formula=1.0, found=networks[clean_name].robust[at].value, allowed=0.1, by=by,
            ),
        ],
        charts=[_chart(linear, networks)],
    )  # fmt: skip


class SignOfTheMean(nn.Module):
    """The linear classifier: lighter than grey, or darker."""

    def forward(self, images: Tensor) -> Tensor:
        light = images.flatten(1).mean(1) - 0.5
        return torch.stack([-light, light], dim=1)


def _trained(data: LabeledImages, epochs: int, test: LabeledImages, seed: int) -> Trained:
    config = TrainConfig(epochs=epochs, lr=0.02, weight_decay=0.0, batch_size=64)
    model = train(build(ARCH, classes=2, image_size=SIZE, seed=seed), data, config, seed=seed)
    turned, kept = data.labels != data.columns["true_label"], None
    if bool(turned.any()):
        said = predictions(model, data.images[turned])
        kept = Proportion(int((said == data.labels[turned]).sum()), int(turned.sum()))
    return Trained(_robust_accuracies(model, test, seed), kept)


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


def _chart(linear: list[Proportion], networks: dict[str, Trained]) -> Chart:
    shown: list[tuple[str, list[Proportion], Style]] = [("sign of the mean", linear, "dashed")]
    shown += [(name, one.robust, "line") for name, one in networks.items()]
    series = [
        Series(
            label=name,
            x=BUDGETS,
            y=[one.value for one in found],
            low=[one.interval[0] for one in found],
            high=[one.interval[1] for one in found],
            style=style,
        )
        for name, found, style in shown
    ]
    return Chart(
        title="What each withstands",
        caption=f"Accuracy on {TESTED} new squares within each Linf budget, given as a part of the contrast; PGD of "
        "20 steps, bands are 95 % intervals.",
        panels=[Panel(title="Under attack", x="eps, of the contrast", y="accuracy", log="x", series=series)],
    )


def _percent(share: Proportion | None) -> str:
    """In percent, with its interval."""
    if share is None:
        return "none"
    low, high = share.interval
    return f"{100 * share.value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


__all__ = ["SignOfTheMean", "squares_lesson"]
