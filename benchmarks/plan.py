"""`python -m benchmarks.plan`: what recipes would cost on ImageNet, from what operations cost here.

An operation costs as many forward passes as it took here with the same network; a pass costs its multiplications and
additions over the rate of the machine. Everything else (reading, decoding, writing) is asked whether it keeps up.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

TRAIN, TEST = 1_281_167, 50_000
FLOPS = 8.2e9
"""ResNet-50 at 224 pixels, forward (He et al. 2016: 4.1e9 multiply-adds)."""

RATE = 75e12
"""Of an H100 with this network in bfloat16, channels last: 3000 images a second in training, three passes each."""

PIXELS = 4 * 3 * 224 * 224
"""Bytes of an image in a built set."""

JPEG = 110_000
"""Bytes of an image of ImageNet, on average."""


@final
@dataclass(frozen=True)
class Recipe:
    """So many images, each of them so many operations; `written` images go to disk."""

    name: str
    operation: str
    images: int
    each: float
    written: int = 0


RECIPES = (
    Recipe("standard model, 90 epochs", "training", TRAIN, 90),
    Recipe("robust model, 90 epochs of PGD-7", "training against 7 steps", TRAIN, 90),
    Recipe("D_R or D_NR, 1000 steps", "D_R, a step", TRAIN, 1000, TRAIN),
    Recipe("D_rand or D_det, 100 steps", "PGD, a step", TRAIN, 100, TRAIN),
    Recipe("a student, 90 epochs", "training", TRAIN, 90),
    Recipe("15 corruptions, 5 severities", "answers", TEST, 75),
    Recipe("PGD-20 on two losses, two budgets", "PGD, a step", TEST, 80),
)


def passes(network: Mapping[str, Any]) -> dict[str, float]:
    """How many forward passes each operation took."""
    return {name: seconds / network["seconds"]["answers"] for name, seconds in network["seconds"].items()}


def seconds(recipe: Recipe, cost: Mapping[str, float], gpus: int) -> float:
    return recipe.images * recipe.each * cost[recipe.operation] * FLOPS / RATE / gpus


def demands(recipe: Recipe, cost: Mapping[str, float], gpus: int) -> dict[str, float]:
    """What has to keep up: images decoded, bytes read and bytes written, a second."""
    wall = seconds(recipe, cost, gpus)
    is_training = recipe.operation.startswith("training")
    shown = recipe.images * (recipe.each if is_training else 1) / wall
    return {"images": shown, "read": shown * JPEG, "written": recipe.written * PIXELS / wall}


def text_of(wall: float) -> str:
    """Seconds for people.

    >>> text_of(90), text_of(7200), text_of(200_000)
    ('90 s', '2.0 h', '2.3 days')
    """
    if wall < 600:
        return f"{wall:.0f} s"
    return f"{wall / 3600:.1f} h" if wall < 100_000 else f"{wall / 86400:.1f} days"


def table(cost: Mapping[str, float]) -> str:
    lines = ["| recipe | 1 GPU | 8 | 64 |", "|---|---|---|---|"]
    for recipe in RECIPES:
        lines.append(
            f"| {recipe.name} | "
            + " | ".join(text_of(seconds(recipe, cost, gpus)) for gpus in (1, 8, 64))
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/capacity.json"))
    parser.add_argument("--network", default="resnet18")
    options = parser.parse_args()
    network = json.loads(options.results.read_text())["networks"][options.network]
    cost = passes(network)
    print(table(cost))
    for recipe in RECIPES:
        asked = demands(recipe, cost, 64)
        print(
            f"{recipe.name}, 64 GPUs: {asked['images']:,.0f} images/s, {asked['read'] / 1e9:.2f} GB/s read, "
            f"{asked['written'] / 1e9:.2f} GB/s written"
        )


if __name__ == "__main__":
    main()
