"""`python -m benchmarks.corruptions`: the nineteen corruptions beside the package imagecorruptions.

Both corrupt the same test images of CIFAR-10, of 32 pixels and enlarged to 224, in turns, with the parameters of
ImageNet-C, the only ones that package has. What draws nothing is compared pixel by pixel, the rest in what does not
depend on the draws.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.nn import functional

import notbugs
from benchmarks.contest import Worker
from benchmarks.environments import SCRATCH, prepare, version_of
from benchmarks.likeness import Moments, deviations, difference, joined, moments
from benchmarks.run import setting, write
from benchmarks.show import show_corruptions
from notbugs.shifts import CORRUPTIONS

PEER = "imagecorruptions"
SEVERITIES = (1, 2, 3, 4, 5)
EXACT = (
    "defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", "gaussian_blur",
    "saturate",
)  # fmt: skip
PLAIN_PYTHON, FEW = "glass_blur", 20
"""So slow in the released imagecorruptions that large images are few."""
NOT_THE_SAME = {
    "frost": "it enlarges the photographs by a tenth, which the authors' code does not",
    "elastic_transform": "it has parameters of its own, and no affine map before the waves",
}


class Corrupter:
    """One process, waiting for its turn."""

    def __init__(self, name: str, threads: int) -> None:
        directory = SCRATCH / "corruptions"
        self.result = directory / f"{name}.npy"
        words = ("benchmarks.corrupter", name, str(threads))
        self.worker = Worker(name, words, log=directory / f"{name}.log", threads=threads)

    def turn(
        self, name: str, severity: int, seed: int, count: int, source: Path
    ) -> tuple[dict[str, float], torch.Tensor]:
        """The seconds that `count` images took, and those images in [0, 1]."""
        self.worker.say(json.dumps([name, severity, seed, count, str(source), str(self.result)]))
        seconds = self.worker.read()
        return seconds, torch.from_numpy(np.load(self.result)).permute(0, 3, 1, 2).float() / 255


def main() -> None:
    options = arguments()
    (SCRATCH / "corruptions").mkdir(parents=True, exist_ok=True)
    if why := prepare(PEER):
        raise SystemExit(f"without {PEER} there is nothing to compare: {why}")
    result: dict[str, Any] = {
        **setting("corruptions", options),
        "source": "cifar10",
        "n": options.n,
        "repeats": options.repeats,
        "table": "imagenet",
        "versions": {PEER: version_of(PEER)},
        "not_the_same": NOT_THE_SAME,
        "sizes": {},
    }
    sides = {name: Corrupter(name, options.threads) for name in ("ours", PEER)}
    for size in options.sizes:
        source = SCRATCH / "corruptions" / f"images-{size}.npy"
        np.save(source, images(options, size))
        rows = result["sizes"][str(size)] = {"corruptions": {}}
        for name in options.names:
            print(f"{name} at {size}", file=sys.stderr, flush=True)
            rows["corruptions"][name] = compared(name, sides, source, options)
            rows["totals"] = totals(rows["corruptions"])
            write(options.out, result)
    for side in sides.values():
        side.worker.end()
    show_corruptions(result)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corruptions", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "parity-corruptions.json")
    parser.add_argument("--data-root", help="directory with CIFAR-10 in Parquet; without it the hub is asked")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=2, help="turns of each, every one with another seed")
    parser.add_argument("--sizes", type=int, nargs="*", default=[32, 224])
    parser.add_argument("--names", nargs="*", choices=list(CORRUPTIONS), default=list(CORRUPTIONS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def images(options: argparse.Namespace, size: int) -> np.ndarray:
    """Bytes, (n, size, size, 3)."""
    test = notbugs.load("cifar10", root=options.data_root, split="test").first(options.n).images
    if size != test.shape[-1]:
        test = functional.interpolate(test, size=(size, size), mode="bicubic", align_corners=False)
    return test.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def compared(
    name: str, sides: dict[str, Corrupter], source: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """All severities, each side in turn; two images come before, for what is compiled, read or made once."""
    large = np.load(source, mmap_mode="r").shape[1] > 64
    count = FEW if name == PLAIN_PYTHON and large else options.n
    rows: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    likeness = {}
    for severity in SEVERITIES:
        seconds: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        found: dict[str, list[Moments]] = {side: [] for side in sides}
        last = {}
        for corrupter in sides.values():
            corrupter.turn(name, severity, options.seed, 2, source)
        for repeat in range(options.repeats):
            for side, corrupter in sides.items():
                turn, last[side] = corrupter.turn(name, severity, options.seed + repeat, count, source)
                seconds[side].append(turn)
                if name not in EXACT:
                    found[side].append(moments(last[side]))
        for side, turns in seconds.items():
            rows[side].append(_speed(turns, count))
        likeness[str(severity)] = (
            difference(*last.values()) if name in EXACT else deviations(*map(joined, found.values()))
        )
    contenders = {side: _mean(severities) for side, severities in rows.items()}
    faster = contenders[PEER]["milliseconds"] / contenders["ours"]["milliseconds"]
    return {"n": count, "likeness": likeness, "contenders": contenders, "times_as_fast": faster}


def _speed(turns: list[dict[str, float]], images: int) -> dict[str, float]:
    """An image's milliseconds: the median turn, on the wall and of all cores."""
    return {
        "milliseconds": 1000 * median(turn["seconds"] for turn in turns) / images,
        "cpu_milliseconds": 1000 * median(turn["cpu_seconds"] for turn in turns) / images,
    }


def _mean(severities: list[dict[str, float]]) -> dict[str, Any]:
    milliseconds, cpu = (
        sum(one[what] for one in severities) / len(severities)
        for what in ("milliseconds", "cpu_milliseconds")
    )
    each = [one["milliseconds"] for one in severities]
    return {
        "images_per_second": 1000 / milliseconds,
        "milliseconds": milliseconds,
        "cpu_milliseconds": cpu,
        "milliseconds_of_each_severity": each,
    }


def totals(rows: dict[str, Any]) -> dict[str, Any]:
    """One image through all of them; and through all but the one that is plain Python over there."""
    found = {}
    for label, left_out in (("all", ()), ("without_glass_blur", (PLAIN_PYTHON,))):
        times = [row["contenders"] for name, row in rows.items() if name not in left_out]
        summed = {side: sum(time[side]["milliseconds"] for time in times) for side in ("ours", PEER)}
        found[label] = {"milliseconds": summed, "times_as_fast": summed[PEER] / max(summed["ours"], 1e-9)}
    return found


if __name__ == "__main__":
    main()
