"""`python -m benchmarks.drawings --judge RUN`: robust against standard, on every measure of what they draw.

The tasks of `notbugs draw` on CIFAR-10's test images, the same for both models, with the tasks' own paces and the
true classes as goals. What is generated is judged by a third model (`--judge`): the published scores are the same
formulas on an Inception network and cannot be compared with these. True test images are judged beside them.
"""

import argparse
import json
from collections.abc import Mapping
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
from notbugs.data import load
from notbugs.drawings import Artist, Generation, Inpainting, Inversion, SuperResolution
from notbugs.models import frozen
from notbugs.models.weights import model_digest
from notbugs.models.zoo import zoo_model, zoo_seeds
from notbugs.runs import find_classifier
from notbugs.seeds import generator
from notbugs.synthesis import load_gaussians

PART, MODELS = 250, ("cifar10-robust", "cifar10-standard")
TASKS = {
    "inversion": Inversion(),
    "inversion over frequencies": Inversion(over="frequencies"),
    **{f"super-resolution x{factor}": SuperResolution(factor=factor) for factor in (2, 4, 7)},
    "in-painting": Inpainting(),
}
DRAWS = 100
"""Of a bootstrap."""

SEEDS = zoo_seeds(MODELS[0])
"""Both models begin with the same draws of the classes' Gaussians."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """A third model: how sure and varied it finds images, how like true ones. `train`: what might be memorised."""

    model: nn.Module
    reference: torch.Tensor
    train: torch.Tensor
    seed: int

    def of(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, object]:
        n, draw = len(images), generator(self.seed, "drawings", "bootstrap")
        with frozen(self.model), torch.no_grad():
            sure = torch.cat([self.model(part).softmax(1) for part in images.split(PART)])
        features, nearest = seen_by(self.model, images), nearest_distance(images, self.train)
        found = {
            "class_score": bootstrapped(lambda rows: class_score(sure[rows]), n, generator=draw, draws=DRAWS),
            "frechet_distance": bootstrapped(
                lambda rows: frechet_distance(features[rows], self.reference), n, generator=draw, draws=DRAWS
            ),
            "right_class": mean_of((sure.argmax(1) == labels).double()),
            "nearest_training_image": mean_of(nearest),
        }
        return {**told(found), "nearest_of_all": float(nearest.min())}


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    test = load("cifar10", split="test", root=options.data_root)
    train = load("cifar10", split="train", root=options.data_root)
    model, count = find_classifier(options.judge), options.generated
    reference = seen_by(model, test.images[count:])
    judge = Judge(model=model, reference=reference, train=train.images, seed=options.seed)
    with frozen(model), torch.no_grad():
        answers = torch.cat([model(part).argmax(1) for part in test.images.split(PART)])
    accuracy = float((answers == test.labels).float().mean())
    measures = {"true images": {"generation": judge.of(test.images[:count], test.labels[:count])}}
    means = class_means(train)
    for name in MODELS:
        artist = Artist(
            model=zoo_model(name),
            data=test.first(options.n),
            seed=options.seed,
            gaussians=load_gaussians(SEEDS),
        )
        with frozen(artist.model):
            measures[name] = {kind: told(task.draw(artist).measured) for kind, task in TASKS.items()}
            drawn = Generation(count=count).draw(artist).rows[1].images
        first = test.first(count)
        score = perceptual_alignment(artist.model, first.images, (first.labels + 1) % test.classes, means)
        measures[name]["alignment"] = told({"cosine_to_the_next_classes_mean": mean_of(score)})
        measures[name]["generation"] = judge.of(drawn, torch.arange(count) % test.classes)
        print(json.dumps({name: measures[name]}, indent=1), flush=True)
    about = {"digest": model_digest(model), "clean_accuracy": accuracy}
    result = {"n": options.n, "generated": count, "judge": about, "measures": measures}
    write(options.out, {**setting("drawings", options), **result})


@torch.no_grad()
def seen_by(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The features of a model, for the images in parts."""
    with frozen(model):
        return torch.cat([embedding_of(model)(part) for part in images.split(PART)])


def told(measured: Mapping[str, Estimate]) -> dict[str, object]:
    return {
        name: {"value": one.value, "interval": one.interval, "n": one.n} for name, one in measured.items()
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawings", description=__doc__)
    parser.add_argument(
        "--judge", required=True, help="a .safetensors file or a run that is neither of the models"
    )
    parser.add_argument("--out", type=Path, default=SCRATCH / "drawings.json")
    parser.add_argument("--data-root", help="directory with CIFAR-10 in Parquet; without it the hub is asked")
    parser.add_argument("--n", type=int, default=200, help="test images to invert, enlarge and fill")
    parser.add_argument("--generated", type=int, default=500)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
