"""`python -m benchmarks.capacity`: what each operation costs an image, and whether floating-point operations tell.

An operation is so many passes through a network: a search takes a forward and a backward one each step, a training
step one more, with the gradient of the weights. From the rate at which the first network does its multiplications and
additions the seconds of the others are predicted, and compared with what they take.
"""

import argparse
import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.environments import SCRATCH
from benchmarks.plan import CORRUPTING, DECODING, WRITING
from benchmarks.run import setting, write
from notbugs import hardware
from notbugs.attacks import PGD
from notbugs.audits import views_of
from notbugs.audits.views import quick_predictions
from notbugs.data import Augmentation, LabeledImages
from notbugs.data.decoding import decode_images
from notbugs.data.planted import planted
from notbugs.data.shards import write_tensors
from notbugs.features import MatchEmbeddings, build_shard, prepare
from notbugs.models import build
from notbugs.shifts import CORRUPTIONS, Corruption
from notbugs.threats import L2
from notbugs.training import TrainConfig, train

STEPS = 10


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    hardware.keep_freed_memory()
    device = hardware.choose_device(options.device)
    data = planted("train", count=options.n).to(device)
    told: dict[str, Any] = {}
    for arch in options.archs:
        told[arch] = costs(arch, data, options)
        write(options.out, {**setting("capacity", options, device=str(device)), "networks": told})
    first = options.archs[0]
    for arch, own in told.items():
        own["predicted"] = {
            name: seconds * own["flops"] / told[first]["flops"]
            for name, seconds in told[first]["seconds"].items()
        }
        for name, seconds in own["seconds"].items():
            said = f"{arch}, {name}: {1e3 * seconds:.3f} ms an image"
            print(f"{said}, {1e3 * own['predicted'][name]:.3f} predicted from {first}", flush=True)
    result = {
        **setting("capacity", options, device=str(device)),
        "n": options.n,
        "networks": told,
        "beside": beside(),
    }
    write(options.out, result)


def costs(arch: str, data: LabeledImages, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds an image of each operation with this network, and its operations in a forward pass."""
    model = build(arch, classes=10, seed=0).to(data.images.device).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(data.images[:1])
    n, source, views = len(data), prepare(model, data), views_of(model, data.images.device)
    config = TrainConfig(epochs=1, lr=0.01, augment=Augmentation(flip=True, translate=4))
    match = MatchEmbeddings(steps=STEPS, step_size=0.1)
    push = PGD(threat=L2(0.5), steps=7, step_size=0.1, random_start=False, keep="last")
    draw = torch.Generator(data.images.device).manual_seed(0)
    search = PGD(threat=L2(0.5), steps=STEPS, step_size=0.1, random_start=False, keep="last")
    few = min(500, n)
    fresh = partial(build, arch, classes=10, seed=0)
    works: dict[str, tuple[Callable[[], Any], int]] = {
        "answers": (lambda: quick_predictions(views, data.images), n),
        "D_R, a step": (lambda: build_shard(match, source, 0, seed=0), few * STEPS),
        "PGD, a step": (
            lambda: search(source.searched, data.images[:few], data.labels[:few], generator=draw),
            few * STEPS,
        ),
        "training": (lambda: train(fresh(), data, config, seed=0), n),
        "training against 7 steps": (lambda: train(fresh(), data, config.against(push), seed=0), n),
    }
    seconds = {}
    for name, (work, images) in works.items():
        seconds[name] = min(timed(work, data.images.device) for _ in range(options.repeats)) / images
    return {"flops": counter.get_total_flops(), "seconds": seconds}


def beside() -> dict[str, float]:
    """Seconds of one thread an image, of what no network does: decoding, writing, all corruptions at one severity."""
    torch.set_num_threads(1)
    draw = np.random.default_rng(0)
    coarse = Image.fromarray(draw.integers(0, 255, (120, 160, 3), dtype=np.uint8))
    stream = io.BytesIO()  # as long as a file of ImageNet is on average
    coarse.resize((500, 375), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    encoded = [("a photograph", stream.getvalue())] * 64
    decoding = timed(lambda: decode_images(encoded, count=64, frame=(224, 224)), "cpu")
    shard = {"images": torch.rand(100, 3, 224, 224)}
    with TemporaryDirectory() as directory:
        path = Path(directory) / "shard.safetensors"
        writing = min(timed(lambda: write_tensors(shard, path), "cpu") for _ in range(3))
    few = decode_images(encoded[:8], count=8, frame=(224, 224))
    corrupted = [partial(Corruption(name, 3), few, seed=0) for name in list(CORRUPTIONS)[:15]]
    corrupting = timed(lambda: [make() for make in corrupted], "cpu")
    return {
        DECODING: decoding / 64,
        WRITING: writing / 100,
        CORRUPTING: corrupting / len(few),
    }


def timed(work: Callable[[], Any], device: torch.device | str) -> float:
    began = time.monotonic()
    work()
    if str(device).startswith("cuda"):
        torch.cuda.synchronize()
    return time.monotonic() - began


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "capacity.json")
    parser.add_argument(
        "--archs", nargs="+", default=["wrn-16-2", "wrn-10-2", "convnet-64-128-128-128", "resnet18"]
    )
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
