"""`python -m benchmarks.counterfactuals`: where the smallest change to another answer lies, where that is known.

Of models trained on planted images whose tag in a corner says the class in 98 % of the training images, and on ones
that never had a tag, adversarially and not. All are asked about the same test images, where the tag is at chance,
towards the class after their answer. A model that relies on the tag needs to change nothing else.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.environments import SCRATCH
from benchmarks.run import setting, write
from notbugs import recipes
from notbugs.audits import Proportion, predictions
from notbugs.audits.counterfactual import Counterfactuals, counterfactuals
from notbugs.audits.estimate import mean_of
from notbugs.data import LabeledImages, load
from notbugs.data.tagged import tag_region
from notbugs.description import describe
from notbugs.drawings.explanations import shown_change
from notbugs.jobs.drawing import grid
from notbugs.models import ImageClassifier, build
from notbugs.threats import L2
from notbugs.training import TrainConfig, train

TAGGED, UNTAGGED = "planted-spurious", "planted"
ROBUST = TrainConfig(epochs=20, lr=0.1, weight_decay=5e-3, batch_size=64).against(
    recipes.training_attack(L2(0.5), steps=3, step_size=0.25)
)
"""Within 0.5 the pattern (a change of 0.28 turns it into another) says nothing, and tag (0.71) and shape do."""

CRITIC = recipes.critic()
MODELS: dict[str, tuple[str, TrainConfig]] = {
    "robust, tagged": (TAGGED, ROBUST),
    "robust, never tagged": (UNTAGGED, ROBUST),
    "standard, tagged": (TAGGED, CRITIC.models["standard"]),
    "standard, never tagged": (UNTAGGED, CRITIC.models["standard"]),
    "against the tag's region, tagged": (TAGGED, CRITIC.models["critic"]),
}
"""Model -> what it is trained on, and how."""

EPS = 20.0
SHOWN = 8


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    test = load(TAGGED, split="test").part(options.n)
    height, width = test.images.shape[2:]
    top, left, tall, wide = tag_region(height, width)
    inside = torch.zeros(1, height, width, dtype=torch.bool)
    inside[:, top : top + tall, left : left + wide] = True
    told: dict[str, Any] = {}
    rows = [test.images[:SHOWN]]
    for name, (source, config) in MODELS.items():
        data = load(source)
        network = build(CRITIC.arch, classes=data.classes, seed=options.seed)
        model = train(network, data, config, seed=options.seed)
        found = asked(model, test, options.steps)
        told[name] = {"source": source, "training": describe(config), **measured(model, test, found, inside)}
        rows += [found.images[:SHOWN], shown_change((found.images - found.originals)[:SHOWN])]
        share = told[name]["energy_inside"]
        print(f"{name}: {share['mean']:.3f} {share['interval']} of the change inside the tag", flush=True)
    write(
        options.out,
        {
            **setting("counterfactuals", options),
            "n": len(test),
            "arch": CRITIC.arch,
            "threat": str(L2(EPS)),
            "search_steps": options.steps,
            "targets": "the class after the model's answer",
            "tag_share_of_pixels": float(inside.float().mean()),
            "models": told,
        },
    )
    if options.picture:
        grid(rows).save(options.picture)


def asked(model: ImageClassifier, test: LabeledImages, steps: int) -> Counterfactuals:
    """Counterfactuals of each image, towards the class after the answer."""
    targets = (predictions(model, test.images) + 1) % test.classes
    return counterfactuals(model, test.images, targets, eps=EPS, steps=steps)


def measured(
    model: ImageClassifier, test: LabeledImages, found: Counterfactuals, inside: torch.Tensor
) -> dict[str, Any]:
    answers = predictions(model, test.images)
    follows = {
        column.removesuffix("_class"): Proportion(int((answers == classes).sum()), len(test))
        for column, classes in {"label": test.labels, **test.columns}.items()
    }
    values = {
        "energy_inside": mean_of(found.energy_inside(inside)[found.found]),
        "distance": mean_of(found.sizes[found.found]),
    }
    return {
        "found": int(found.found.sum()),
        "answers_with": {
            name: {"share": one.value, "interval": one.interval} for name, one in follows.items()
        },
        **{name: {"mean": one.value, "interval": one.interval} for name, one in values.items()},
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counterfactuals", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "counterfactuals.json")
    parser.add_argument(
        "--picture", type=Path, help="a PNG of images, what they are turned into, and the change"
    )
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
