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

DECODING, WRITING, CORRUPTING = "decoding 500 x 375 to 224", "writing 224 pixels", "15 corruptions at 224"

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
    """So many images, each of them so many operations; `written` images go to disk.

    `shown`: how often an image is decoded. `corrupted`: how often it is given all 15 corruptions.
    """

    name: str
    operation: str
    images: int
    each: float
    written: int = 0
    shown: int = 1
    corrupted: int = 0


RECIPES = (
    Recipe("standard model, 90 epochs", "training", TRAIN, 90, shown=90),
    Recipe("robust model, 90 epochs of PGD-7", "training against 7 steps", TRAIN, 90, shown=90),
    Recipe("D_R or D_NR, 1000 steps", "D_R, a step", TRAIN, 1000, TRAIN),
    Recipe("D_rand or D_det, 100 steps", "PGD, a step", TRAIN, 100, TRAIN),
    Recipe("a student, 90 epochs", "training", TRAIN, 90, shown=90),
    Recipe("15 corruptions, 5 severities", "answers", TEST, 75, corrupted=5),
    Recipe("PGD-20 on two losses, two budgets", "PGD, a step", TEST, 80),
)


def passes(network: Mapping[str, Any]) -> dict[str, float]:
    """How many forward passes each operation took."""
    return {name: seconds / network["seconds"]["answers"] for name, seconds in network["seconds"].items()}


def seconds(recipe: Recipe, cost: Mapping[str, float], gpus: int) -> float:
    return recipe.images * recipe.each * cost[recipe.operation] * FLOPS / RATE / gpus


def demands(
    recipe: Recipe, cost: Mapping[str, float], beside: Mapping[str, float], gpus: int
) -> dict[str, float]:
    """What has to keep up, of `beside` seconds for each image.

    Cores that decode or corrupt, bytes read and written a second, and of the driver's time the share that it writes.
    """
    wall = seconds(recipe, cost, gpus)
    decoded, written = recipe.images * recipe.shown / wall, recipe.written / wall
    return {
        "decoding": decoded * beside[DECODING],
        "corrupting": recipe.images * recipe.corrupted / wall * beside[CORRUPTING],
        "read": decoded * JPEG,
        "written": written * PIXELS,
        "driver": written * beside[WRITING],
    }


def text_of(wall: float) -> str:
    """Seconds for people.

    >>> text_of(90), text_of(720), text_of(7200), text_of(200_000)
    ('90 s', '12 min', '2.0 h', '2.3 days')
    """
    if wall < 120:
        return f"{wall:.0f} s"
    if wall < 6000:
        return f"{wall / 60:.0f} min"
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


def needs(cost: Mapping[str, float], beside: Mapping[str, float], gpus: int) -> str:
    """What each recipe asks of everything but GPUs."""
    lines = [
        f"| {gpus} GPUs | cores that decode | that corrupt | read | written | the driver writes |",
        "|---|---|---|---|---|---|",
    ]
    for recipe in RECIPES:
        asked = demands(recipe, cost, beside, gpus)
        lines.append(
            f"| {recipe.name} | {_count(asked['decoding'])} | {_count(asked['corrupting'])} | {_rate(asked['read'])} "
            f"| {_rate(asked['written'])} | {asked['driver']:.0%} of its time |"
        )
    return "\n".join(lines)


def _count(cores: float) -> str:
    return f"{cores:.0f}" if cores >= 1 or not cores else "under 1"


def _rate(bytes_a_second: float) -> str:
    return f"{bytes_a_second / 1e9:.1f} GB/s" if bytes_a_second >= 1e9 else f"{bytes_a_second / 1e6:.0f} MB/s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/capacity.json"))
    parser.add_argument("--network", default="resnet18")
    options = parser.parse_args()
    found = json.loads(options.results.read_text())
    cost = passes(found["networks"][options.network])
    print(table(cost))
    for gpus in (8, 64):
        print("\n" + needs(cost, found["beside"], gpus))


if __name__ == "__main__":
    main()
