"""`python -m benchmarks.heatmaps --peer DIR`: the Fourier heat map beside gatheluck/FourierHeatmap.

DIR is a checkout of https://github.com/gatheluck/FourierHeatmap (1b4ef0f was measured), which is not packaged. It
runs in an environment of its own with torchvision; a torch without accelerators lacks the two operators that
torchvision looks for when it is imported, so that they are declared first. Both look at the same network and images,
every vector of the half plane; theirs is a cosine, ours the cosine and sine of U_ij: the maps agree but for noise.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

import notbugs
from benchmarks.environments import ROOT, SCRATCH, prepare, python_of
from benchmarks.run import setting, write
from notbugs.audits import heat_map
from notbugs.hardware import keep_freed_memory

PEER = "fourierheatmap"
NORM = 4.0


def main() -> None:
    options = arguments()
    if why := prepare(PEER):
        raise SystemExit(f"without {PEER} there is nothing to compare: {why}")
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    test = notbugs.load("cifar10", root=options.data_root, split="test").first(options.n)
    model = notbugs.load_model(options.model)
    started = time.perf_counter()
    ours = heat_map(model, test, norm=NORM, seed=options.seed)
    seconds = time.perf_counter() - started
    print(f"ours: {seconds:.1f} s", file=sys.stderr, flush=True)
    directory = SCRATCH / "heatmaps"
    directory.mkdir(parents=True, exist_ok=True)
    task = {
        "model": str(options.model.resolve()),
        "root": str(options.data_root.resolve()) if options.data_root else None,
        "n": options.n,
        "norm": NORM,
        "threads": options.threads,
        "batch_size": options.batch_size,
        "result": str(directory / "theirs.json"),
    }
    command = [str(python_of(PEER)), "-m", "benchmarks.heatmap_peer", json.dumps(task)]
    paths = f"{ROOT / 'src'}:{ROOT}:{options.peer.resolve()}"
    subprocess.run(
        command, cwd=ROOT, check=True, env={"PYTHONPATH": paths, "OMP_NUM_THREADS": str(options.threads)}
    )
    theirs = json.loads((directory / "theirs.json").read_text())
    # Theirs leaves out the highest frequencies of an even size, which are their own mirror image.
    mine, other = ours.map()[1:, 1:], torch.tensor(theirs["errors"]) / 100
    gap = mine - other
    noise = (2 * other * (1 - other) / options.n).sqrt()
    result: dict[str, Any] = {
        **setting("heatmaps", options),
        "n": options.n,
        "vectors": len(ours.wrong),
        "norm": NORM,
        "arch": model.spec.arch,
        "seconds": {"ours": seconds, PEER: theirs["seconds"]},
        "times_as_fast": theirs["seconds"] / seconds,
        "mean_error": {"ours": float(mine.mean()), PEER: float(other.mean())},
        "mean_absolute_difference": float(gap.abs().mean()),
        "expected_of_noise": float((noise * (2 / torch.pi) ** 0.5).mean()),
        "correlation": float(torch.corrcoef(torch.stack([mine.flatten(), other.flatten()]))[0, 1]),
    }
    write(options.out, result)
    print(json.dumps({key: result[key] for key in list(result)[-6:]}, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heatmaps", description=__doc__)
    parser.add_argument("--peer", type=Path, required=True, help="checkout of gatheluck/FourierHeatmap")
    parser.add_argument(
        "--model", type=Path, required=True, help="a .safetensors file of ours, for 32 pixels"
    )
    parser.add_argument(
        "--data-root", type=Path, help="directory with CIFAR-10 in Parquet; without it the hub"
    )
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=SCRATCH / "parity-heatmap.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
