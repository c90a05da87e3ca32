"""`python -m benchmarks.collisions`: how nearly an image can have the next one's representation, on CIFAR-10.

Each shipped model, the pairs and the search of `notbugs draw collide`, with the same steps for all: every test image
from the first on towards the one after it, none left out. The reduction is 1 - distance after / distance before.
"""

import argparse
from pathlib import Path

import torch

from benchmarks.environments import SCRATCH
from benchmarks.run import setting, write
from notbugs.attacks import feature_collision
from notbugs.audits.estimate import mean_of
from notbugs.data import load
from notbugs.drawings import CollisionTask
from notbugs.models.zoo import zoo_model, zoo_names
from notbugs.threats import L2

PART = 50


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    start = load("cifar10", split="test", root=options.data_root).images[: options.n]
    target = start.roll(-1, 0)
    told = {}
    for name in options.models:
        model, rows = zoo_model(name), []
        for eps in options.eps:
            parts = [
                feature_collision(model, *pair, threat=L2(eps), steps=options.steps, step_size=eps)
                for pair in zip(start.split(PART), target.split(PART), strict=True)
            ]
            share = torch.cat([found.after / found.before for found in parts])
            reduction = mean_of(1 - share)
            print(f"{name}, L2 {eps:g}: distance reduced by {reduction}", flush=True)
            rows.append(
                {
                    "threat": str(L2(eps)),
                    "reduction": {"mean": reduction.value, "interval": reduction.interval},
                    "reduced_by_nine_tenths": float((share <= 0.1).float().mean()),
                    "largest_size": float(torch.cat([found.sizes for found in parts]).max()),
                }
            )
        told[name] = rows
    write(
        options.out,
        {**setting("collisions", options), "n": len(start), "steps": options.steps, "models": told},
    )


def arguments() -> argparse.Namespace:
    task = CollisionTask()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collisions", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "collisions.json")
    parser.add_argument("--data-root", help="directory with CIFAR-10 in Parquet; without it the hub is asked")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--eps", type=float, nargs="*", default=[task.eps], help="in L2, pixel units")
    parser.add_argument("--steps", type=int, default=task.steps)
    parser.add_argument(
        "--models", nargs="*", choices=zoo_names(), default=["cifar10-standard", "cifar10-robust"]
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0, help="nothing is drawn: the search is deterministic")
    return parser.parse_args()


if __name__ == "__main__":
    main()
