"""`python -m benchmarks.cluster`: what a cluster costs and gains, and that it changes nothing.

Machines are groups of processes on this one. Bytes: `build robust` and `study planted` on two machines of one core,
of which one is killed in the middle, against the same commands without a cluster. Gain: `build` and `audit` by two
workers of one thread against one. Cost: seconds of building by the number of images, and the line through them.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.contents import contents
from benchmarks.environments import SCRATCH
from benchmarks.machines import Machines
from benchmarks.run import setting, write
from notbugs.data import load
from notbugs.features import MatchEmbeddings
from notbugs.jobs import Job, build_job
from notbugs.models import build, save_model

SMALL, LARGER = "convnet-32-64-64-64", "convnet-96-192-192-192"

PARTS = ["bytes", "gain", "cost"]


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    with TemporaryDirectory() as directory:
        where = Path(directory)
        told: dict[str, Any] = {}
        if "bytes" in options.parts:
            robust = [
                "build",
                "robust",
                "--data",
                "planted",
                "--model",
                saved(SMALL, where),
                "--steps",
                "200",
            ]
            told["killed"] = {
                "build robust": killed(robust, where / "killed-build", after=15),
                "study planted": killed(["study", "planted"], where / "killed-study", after=60),
            }
        if "gain" in options.parts:
            source = ["--data", "cifar10", "--split", "test"]
            source += ["--data-root", options.data_root] if options.data_root else []
            jobs = (
                ["build", "robust", "--model", saved(SMALL, where), "--steps", "500", *source],
                ["audit", saved(LARGER, where), "--n", "10000", *source],
            )
            told["gain"] = {job[0]: gain(job, where / job[0]) for job in jobs}
        if "cost" in options.parts:
            told["cost"] = cost(options.data_root, options.images, where / "cost")
    write(options.out, {**setting("cluster", options), **told})


def saved(arch: str, where: Path) -> str:
    path = where / f"{arch}.safetensors"
    save_model(build(arch, classes=10, seed=0), path)
    return str(path)


def killed(command: Sequence[str], where: Path, *, after: float) -> dict[str, Any]:
    """A command on two machines of which one dies `after` seconds, and another comes, against the command alone."""
    machines = Machines()
    doomed = machines.add()
    try:
        there = start(command, where / "there", machines.environment, machines.address)
        time.sleep(after)
        assert there.poll() is None, "it was done before anything was killed"
        machines.kill(doomed)
        machines.add()
        assert there.wait() == 0
    finally:
        machines.end()
    timed(command, where / "here", machines.environment)
    here, made = contents(where / "here"), contents(where / "there")
    same = sum(made.get(name) == content for name, content in here.items())
    print(f"{' '.join(command[:2])}: {same} of {len(here)} files the same, of {len(made)}", flush=True)
    return {"killed_after": after, "files": len(here), "the_same": same, "there": len(made)}


def gain(command: Sequence[str], where: Path) -> dict[str, Any]:
    """Seconds of a command by one worker of a machine, and by two, with all that it takes to begin."""
    seconds = []
    for workers in (1, 2):
        machines = Machines(cores=workers)
        try:
            seconds.append(timed(command, where / str(workers), machines.environment, machines.address))
        finally:
            machines.end()
    one, two = seconds
    print(f"{command[0]}: one worker {one:.1f} s, two {two:.1f}: {one / two:.2f}x", flush=True)
    return {"one_worker": one, "two_workers": two, "gain": one / two}


def cost(root: str | None, counts: Sequence[int], where: Path) -> dict[str, Any]:
    """Seconds of building by number of images, in this process, and the least-squares line through them."""
    data, model = load("cifar10", root=root), build(SMALL, classes=10, seed=0)
    builder, seconds = MatchEmbeddings(steps=20, step_size=0.25), []
    for count in counts:
        began = time.monotonic()
        build_job(Job(root=where, seed=0), "robust", builder, model, data.first(count))
        seconds.append(time.monotonic() - began)
        print(f"{count} images: {seconds[-1]:.1f} s", flush=True)
    slope, start = np.polyfit(counts, seconds, 1)
    residual = np.abs(np.polyval([slope, start], counts) - seconds)
    print(
        f"{1000 * slope:.3f} ms an image and {start:.1f} s; farthest from the line {residual.max():.1f} s",
        flush=True,
    )
    return {
        "images": list(counts), "seconds": seconds, "seconds_an_image": slope, "seconds_at_none": start,
        "largest_residual": residual.max(), "largest_relative_residual": (residual / seconds).max(),
    }  # fmt: skip


def start(
    command: Sequence[str], out: Path, environment: Mapping[str, str], address: str = ""
) -> subprocess.Popen[bytes]:
    on = ["--on", "ray", "--ray-address", address] if address else []
    return subprocess.Popen(
        [sys.executable, "-m", "notbugs.app", *command, "--out", str(out), "--quiet", *on],
        env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def timed(command: Sequence[str], out: Path, environment: Mapping[str, str], address: str = "") -> float:
    began = time.monotonic()
    assert start(command, out, environment, address).wait() == 0
    return time.monotonic() - began


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "cluster.json")
    parser.add_argument("--data-root", help="directory with CIFAR-10 in Parquet; without it the hub is asked")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--images", nargs="+", type=int, default=[1000, 2000, 5000, 10_000, 20_000, 50_000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
