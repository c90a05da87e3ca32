"""`python -m benchmarks.drawings --judge NAME=RUN`: robust against standard, on every measure of what they draw.

The tasks of `notbugs draw` on CIFAR-10's test images, the same for both models, with the tasks' own paces and the
true classes as goals; what both measure on the same images is also compared image by image. What is generated is
judged by other models (`--judge`): the published scores are the same formulas on an Inception network and cannot be
compared with these. True test images are judged beside them.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import nn

from benchmarks.environments import SCRATCH
from benchmarks.run import setting, write
from notbugs.attacks import embedding_of
from notbugs.audits.alignment import class_means, perceptual_alignment
from notbugs.audits.estimate import Estimate, bootstrapped, mean_of
from notbugs.audits.fidelity import nearest_distance
from notbugs.audits.realism import class_score, frechet_distance
from notbugs.audits.views import predictions
from notbugs.data import load
from notbugs.drawings import Artist, Generation, Inpainting, Inversion, SuperResolution
from notbugs.models import frozen
from notbugs.models.weights import model_digest
from notbugs.models.zoo import zoo_model, zoo_seeds
from notbugs.proportion import Proportion
from notbugs.runs import find_classifier
from notbugs.seeds import generator
from notbugs.synthesis import load_gaussians
from notbugs.synthesis.mending import PUBLISHED_INPAINTING
from notbugs.synthesis.morphing import GENERATION, PUBLISHED_GENERATION

PART, MODELS = 250, ("cifar10-robust", "cifar10-standard")
TASKS = {
    "inversion": Inversion(),
    "inversion over frequencies": Inversion(over="frequencies"),
    **{f"super-resolution x{factor}": SuperResolution(factor=factor) for factor in (2, 4, 7)},
    "in-painting": Inpainting(),
    "in-painting as published": Inpainting(pace=PUBLISHED_INPAINTING),
}
PACES = {"generation": GENERATION, "generation as published": PUBLISHED_GENERATION}
DRAWS = 100
"""Of a bootstrap."""

SEEDS = zoo_seeds(MODELS[0])
"""Both models begin with the same draws of the classes' Gaussians."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """A model that drew nothing: how sure and varied it finds images, how like true ones (`reference`)."""

    name: str
    model: nn.Module
    reference: torch.Tensor
    seed: int

    def of(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, object]:
        n, draw = len(images), generator(self.seed, "drawings", "bootstrap", self.name)
        with frozen(self.model), torch.no_grad():
            sure = torch.cat([self.model(part).softmax(1) for part in images.split(PART)])
        features = seen_by(self.model, images)
        found = {
            "class_score": bootstrapped(
                lambda rows: class_score(sure[rows]),
                n,
                generator=draw,
                draws=DRAWS,
                possible=(1, sure.shape[1]),
            ),
            "frechet_distance": bootstrapped(
                lambda rows: frechet_distance(features[rows], self.reference),
                n,
                generator=draw,
                draws=DRAWS,
                possible=(0, math.inf),
            ),
            "right_class": Proportion(int((sure.argmax(1) == labels).sum()), n),
        }
        return told(found)


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    test = load("cifar10", split="test", root=options.data_root)
    train = load("cifar10", split="train", root=options.data_root)
    count = options.generated
    judges, about = [], {}
    for name, run in options.judge.items():
        model = find_classifier(run)
        right = predictions(model, test.images) == test.labels
        about[name] = {"digest": model_digest(model), "clean_accuracy": float(right.float().mean())}
        reference = seen_by(model, test.images[count:])
        judges.append(Judge(name=name, model=model, reference=reference, seed=options.seed))
    first, means = test.first(count), class_means(train)
    measures = {"true images": generated("generation", first.images, first.labels, judges, train.images)}
    of_images: list[dict[str, Mapping[str, torch.Tensor]]] = []
    for name in MODELS:
        artist = Artist(
            model=zoo_model(name),
            data=test.first(options.n),
            seed=options.seed,
            gaussians=load_gaussians(SEEDS),
        )
        aligned = perceptual_alignment(artist.model, first.images, (first.labels + 1) % test.classes, means)
        with frozen(artist.model):
            drawn = {
                kind: Generation(count=count, pace=pace).draw(artist).rows[1].images
                for kind, pace in PACES.items()
            }
            of_images.append({kind: task.draw(artist).measured for kind, task in TASKS.items()})
        of_images[-1]["alignment"] = {"cosine_to_the_next_classes_mean": aligned}
        measures[name] = {
            **{kind: told(means_of(found)) for kind, found in of_images[-1].items()},
        }
        labels = torch.arange(count) % test.classes
        for kind, images in drawn.items():
            measures[name] |= generated(kind, images, labels, judges, train.images)
        print(json.dumps({name: measures[name]}, indent=1), flush=True)
    robust, standard = of_images
    measures["robust - standard"] = {
        kind: told(means_of({key: values - standard[kind][key] for key, values in found.items()}))
        for kind, found in robust.items()
    }
    result = {"n": options.n, "generated": count, "judges": about, "measures": measures}
    write(options.out, {**setting("drawings", options), **result})


def generated(
    kind: str, images: torch.Tensor, labels: torch.Tensor, judges: Sequence[Judge], train: torch.Tensor
) -> dict[str, object]:
    """What every judge says, and how far the nearest image of `train` is: 0 for what is memorised."""
    nearest = nearest_distance(images, train)
    return {
        **{f"{kind}, {judge.name} judge": judge.of(images, labels) for judge in judges},
        kind: {**told({"nearest_training_image": mean_of(nearest)}), "nearest_of_all": float(nearest.min())},
    }


@torch.no_grad()
def seen_by(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The features of a model, for the images in parts."""
    with frozen(model):
        return torch.cat([embedding_of(model)(part) for part in images.split(PART)])


def means_of(measured: Mapping[str, torch.Tensor]) -> dict[str, Estimate]:
    return {name: mean_of(values) for name, values in measured.items()}


def told(measured: Mapping[str, Estimate | Proportion]) -> dict[str, object]:
    return {
        name: {"value": one.value, "interval": one.interval, "n": one.n} for name, one in measured.items()
    }


def named_run(text: str) -> tuple[str, str]:
    """The two sides of NAME=RUN. Raises ValueError for other texts."""
    name, _, run = text.partition("=")
    if not name or not run:
        raise ValueError(text)
    return name, run


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawings", description=__doc__)
    parser.add_argument(
        "--judge",
        required=True,
        nargs="+",
        type=named_run,
        metavar="NAME=RUN",
        help="runs or .safetensors files of models that draw nothing here",
    )
    parser.add_argument("--out", type=Path, default=SCRATCH / "drawings.json")
    parser.add_argument("--data-root", help="directory with CIFAR-10 in Parquet; without it the hub is asked")
    parser.add_argument("--n", type=int, default=200, help="test images to invert, enlarge and fill")
    parser.add_argument("--generated", type=int, default=500)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.judge = dict(options.judge)
    return options


if __name__ == "__main__":
    main()
