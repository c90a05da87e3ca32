"""`python -m benchmarks.fuzz --minutes 10 --seed 0`: changed inputs for every parser, which may only refuse them.

To refuse is to raise NotbugsError. Changes are drawn by seed: bits flipped, files cut and spliced, JSON with
other values, text of other words.
"""

import argparse
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import valid
from benchmarks.changes import changed_bytes, changed_header, changed_json, changed_lines, changed_text
from benchmarks.run import setting, write
from notbugs.app.demo.uploads import read_text, read_upload
from notbugs.app.limits import parse_limits
from notbugs.app.report import write_report
from notbugs.attacks.pgd import parse_attack
from notbugs.data import load
from notbugs.data.decoding import choose_frame, decode_images
from notbugs.data.folder import read_folder
from notbugs.data.parquet import read_parquet
from notbugs.data.shards import read_built, read_tensors
from notbugs.data.shifted import split_source
from notbugs.errors import NotbugsError
from notbugs.models import load_model
from notbugs.runs import Run
from notbugs.shifts import parse_shift
from notbugs.threats import parse_threat
from notbugs.training.checkpoint import read_checkpoint

SECONDS = 10
"""Of one input: more is unexpected as well."""

THREATS = (
    "l2:0.5",
    "linf:8/255",
    "l1:12",
    "l2:2@band:10-16",
    "l2:1@region:1,1,5x5",
    "linf:0.1@colour",
    "l2:1@mask:a.png",
)
SHIFTS = (
    "fog:3", "fog:2.5:imagenet", "low:8", "high:12", "band:4-10", "noise:4@low:8", "shuffled:4", "without-texture:5",
    "only-colour", "low-square:4", "jpeg_compression:3",
)  # fmt: skip
ATTACKS = ("pgd:l2:0.5:7", "pgd:linf:8/255:7:0.1", "pgd:l2:2@band:10-16:3")
SOURCES = (
    "folder:pictures",
    "parquet:table.parquet",
    "built:build",
    "folder:pictures@low:3",
    "tagged:folder:pictures",
)
LIMITS = ("robust=0.4", "corruption.mean=0.6", "clean=1/2")

LOCAL = ("folder:", "parquet:", "built:", "tagged:folder:")

Trial = Callable[[random.Random], Any]
"""Something changed, and given to a parser."""


def trials() -> dict[str, Trial]:
    """Of each parser, on the valid inputs in the current directory."""
    pictures = [valid.picture(kind=kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF")]
    encoded = {
        path: Path(path).read_bytes()
        for path in ("model.safetensors", "checkpoint.safetensors", "table.parquet")
    }
    encoded["shard"] = Path("build/shard-00000.safetensors").read_bytes()

    def of_file(name: str, read: Callable[[Path], Any], change: Any = changed_bytes) -> Trial:
        def run(draw: random.Random) -> Any:
            path = Path("changed" + Path(name).suffix)
            path.write_bytes(change(draw, encoded[name]))
            return read(path)

        return run

    def of_text(words: tuple[str, ...], read: Callable[[str], Any]) -> Trial:
        return lambda draw: read(changed_text(draw, draw.choice(words)))

    def decoded(draw: random.Random) -> Any:
        content = ("an image", changed_bytes(draw, draw.choice(pictures)))
        choose_frame([content])
        return decode_images([content], count=1, frame=(8, 8))

    def uploaded(draw: random.Random) -> Any:
        content = changed_bytes(draw, draw.choice(pictures))
        return read_upload(content, 8) if draw.random() < 0.5 else read_text(content.decode("latin-1"), 8)

    def in_copy(source: str, files: tuple[str, ...], read: Callable[[Path], Any]) -> Trial:
        def run(draw: random.Random) -> Any:
            with restored(Path(source), Path("copy")) as copy:
                path = draw.choice([found for file in files for found in sorted(copy.glob(file))])
                change = (
                    changed_lines
                    if path.suffix == ".jsonl"
                    else changed_json
                    if path.suffix == ".json"
                    else changed_bytes
                )
                path.write_bytes(change(draw, path.read_bytes()))
                return read(copy)

        return run

    records = (
        "result.json",
        "result.json",
        "config.json",
        "provenance.json",
        "metrics.jsonl",
        "origin.json",
        "*/*.json",
    )
    return {
        "read_tensors": of_file("shard", read_tensors),
        "read_built": in_copy("build", ("origin.json",), read_built),
        "load_model": of_file("model.safetensors", load_model),
        "load_model, its spec": of_file("model.safetensors", load_model, changed_header),
        "read_checkpoint": of_file(
            "checkpoint.safetensors", lambda path: read_checkpoint(path, identity=valid.IDENTITY)
        ),
        "read_checkpoint, its header": of_file(
            "checkpoint.safetensors",
            lambda path: read_checkpoint(path, identity=valid.IDENTITY),
            changed_header,
        ),
        "read_parquet": of_file("table.parquet", read_parquet),
        "read_folder": in_copy("pictures", ("*/*.png",), read_folder),
        "decode_images": decoded,
        **{
            f"write_report, {kind}": in_copy(kind, records, lambda path: write_report(Run(path)))
            for kind in ("train", "build", "audit", "study")
        },
        "parse_threat": of_text(THREATS, parse_threat),
        "parse_attack": of_text(ATTACKS, parse_attack),
        "parse_shift": of_text(SHIFTS, parse_shift),
        "split_source": of_text(SOURCES, split_source),
        "load": of_text(
            SOURCES, lambda text: load(text) if text.startswith(LOCAL) and "://" not in text else None
        ),
        "parse_limits": of_text(LIMITS, lambda text: parse_limits([text])),
        "uploads": uploaded,
    }


class restored:
    """A copy of a directory, whose changed files are those of the original again at the next use."""

    def __init__(self, source: Path, copy: Path) -> None:
        self.source, self.copy = source, copy / source

    def __enter__(self) -> Path:
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.source, self.copy, copy_function=shutil.copyfile)
        return self.copy

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.copy, ignore_errors=True)


class TooLongError(BaseException):
    """Nobody's `except Exception` takes it."""


def outcome(trial: Trial, draw: random.Random) -> str:
    """`accepted`, `refused`, or what went wrong."""
    try:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        trial(draw)
    except NotbugsError:
        return "refused"
    except (Exception, TooLongError) as error:
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        place = f"{Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where else ""
        return f"{type(error).__name__} at {place}: {str(error)[:120]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "accepted"


def stop(*_: object) -> None:
    raise TooLongError(f"more than {SECONDS} s")


def fuzz(seconds: float, seed: int) -> dict[str, dict[str, Any]]:
    """Turn by turn until the time is over. Trial `n` of a parser is the same whatever came before it."""
    began, before = time.monotonic(), signal.signal(signal.SIGALRM, stop)
    counted: dict[str, dict[str, Any]] = {}
    number = 0
    while time.monotonic() - began < seconds:
        for name, trial in trials_here().items():
            row = counted.setdefault(name, {"tried": 0, "accepted": 0, "refused": 0, "unexpected": {}})
            for inner in range(20 if name.startswith(("parse", "split")) else 1):
                found = outcome(trial, random.Random(f"{seed} {name} {number} {inner}"))
                row["tried"] += 1
                if found in ("accepted", "refused"):
                    row[found] += 1
                else:
                    row["unexpected"].setdefault(found, number)
        number += 1
    signal.signal(signal.SIGALRM, before)
    return counted


_made: dict[str, dict[str, Trial]] = {}


def trials_here() -> dict[str, Trial]:
    """Those of the current directory, made once."""
    here = os.getcwd()
    if here not in _made:
        _made[here] = trials()
    return _made[here]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    out, result = options.out.resolve(), setting("fuzz", options)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        valid.main()
        result["parsers"] = fuzz(60 * options.minutes, options.seed)
        os.chdir("/")
    result["minutes"] = options.minutes
    print(table(result["parsers"]))
    write(out, result)
    sys.exit(any(row["unexpected"] for row in result["parsers"].values()))


def table(parsers: dict[str, dict[str, Any]]) -> str:
    lines = io.StringIO()
    print(f"{'parser':30}{'tried':>8}{'accepted':>10}{'refused':>9}{'unexpected':>12}", file=lines)
    for name, row in parsers.items():
        odd = len(row["unexpected"])
        print(f"{name:30}{row['tried']:8}{row['accepted']:10}{row['refused']:9}{odd:12}", file=lines)
        for found, number in row["unexpected"].items():
            print(f"    {found} (trial {number})", file=lines)
    return lines.getvalue()


if __name__ == "__main__":
    main()
