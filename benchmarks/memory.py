"""`python -m benchmarks.memory`: `build`, `audit`, `train` of more images than fit into the memory they may take.

The images are planted ones, written as Parquet, and built sets of them. Each command is a process that is not given
more than the limit (RLIMIT_DATA), and each of the processes that it starts as much; what it had in memory at most
is what the kernel says of it, or of the largest of these, when it has ended.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from benchmarks.environments import SCRATCH
from benchmarks.run import setting, write
from notbugs.data import LabeledImages, export
from notbugs.data.planted import planted
from notbugs.models import build, save_model

A_FILE = 4000
A_TEST = 1000
ARCH = "convnet-8-16-16-16"


def main() -> None:
    options = arguments()
    with TemporaryDirectory(dir=options.scratch) as directory:
        where = Path(directory)
        save_model(build(ARCH, classes=10, seed=0), where / "model.safetensors")
        parquet = written(where / "parquet", options.images)
        model = str(where / "model.safetensors")
        building = ["build", "det", "--steps", "5", "--model", model]
        matching = ["build", "robust", "--steps", "5", "--model", model]
        auditing = ["audit", model, "--split", "train", "--suite", "quick", "--sections"]
        told = {
            "build det, parquet": limited(
                [*building, "--data", f"parquet:{parquet}"], where / "det", options
            ),
            "build robust, parquet": limited(
                [*matching, "--data", f"parquet:{parquet}"], where / "robust", options
            ),
        }
        (built,) = (where / "det").glob("build-det-*")
        told["build det, built"] = limited([*building, "--data", f"built:{built}"], where / "again", options)
        for source in (f"parquet:{parquet}", f"built:{built}"):
            kind = source.partition(":")[0]
            told[f"audit of 1000, {kind}"] = limited(
                [*auditing, "adversarial,corruption,frequency,reliance,features,regions,saliency", "--data", source],
                where / f"audit-{kind}", options,
            )  # fmt: skip
        told[f"audit of {options.images}, parquet"] = limited(
            [*auditing, "reliance", "--data", f"parquet:{parquet}", "--n", str(options.images)],
            where / "audit-all", options,
        )  # fmt: skip
        training = ["train", "--arch", ARCH, "--epochs", "1", "--workers", "2", "--buffer", "10000"]
        told["train, 2 workers, parquet"] = limited(
            [*training, "--data", f"parquet:{parquet}"], where / "train", options
        )
    write(
        options.out, {**setting("memory", options), "images": options.images, "limit": options.limit, **told}
    )


def written(directory: Path, count: int) -> Path:
    """Planted images as Parquet files, as the hub has them: so many for training, and a few for tests."""
    (directory / "data").mkdir(parents=True)
    files = -(-count // A_FILE)
    for number in range(files):
        part = planted("train", count=min(A_FILE, count - number * A_FILE), seed=number)
        _write(part, directory / "data" / f"train-{number:05d}-of-{files:05d}.parquet")
    _write(planted("test", count=A_TEST), directory / "data" / "test-00000-of-00001.parquet")
    return directory


def _write(part: LabeledImages, path: Path) -> None:
    with TemporaryDirectory() as scratch:
        (file,) = (export(part, f"{scratch}/one", "parquet") / "data").iterdir()
        pq.write_table(pq.read_table(file, columns=["img", "label"]), path)


def limited(command: Sequence[str], out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The command in a process that may take so many bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (options.limit, options.limit))

    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "notbugs.app", *command, "--out", str(out), "--quiet"],
        env={**os.environ, "OMP_NUM_THREADS": str(options.threads)},
        stdout=subprocess.DEVNULL, preexec_fn=limit,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds, peak = time.monotonic() - began, 1024 * used.ru_maxrss
    print(
        f"{' '.join(command[:2])} {out.name}: exit {process.returncode}, {peak / 1e6:.0f} MB, {seconds:.0f} s",
        flush=True,
    )
    return {"exit": process.returncode, "peak_bytes": peak, "seconds": seconds}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--out", type=Path, default=SCRATCH / "memory.json")
    parser.add_argument("--scratch", type=Path, help="where 4 GB for 100 000 images can lie for a while")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--limit", type=int, default=1_000_000_000, help="bytes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
