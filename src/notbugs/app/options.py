"""What the commands share: common options, how text becomes values, how a result is shown."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

from cyclopts import Parameter

from notbugs.errors import NotbugsError
from notbugs.locations import Location, location
from notbugs.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import torch

    from notbugs.data import LabeledImages
    from notbugs.execution import Execution
    from notbugs.jobs import Job
    from notbugs.models import Card
    from notbugs.progress import Progress
    from notbugs.runs import Run


def located(_: Any, tokens: Sequence[Any]) -> Location:
    """For options that take a path or a URL."""
    return location(tokens[0].value)


def writable(_: Any, tokens: Sequence[Any]) -> Location:
    """For options that take a path or a URL of what will be written, and be there when the command has ended."""
    found, text = location(tokens[0].value), str(tokens[0].value)
    if text.startswith(("http://", "https://", "memory://")):
        raise NotbugsError(
            f"{text}: nothing can be kept there; give a path, or a URL such as s3://bucket/runs"
        )
    return found


def here(_: Any, tokens: Sequence[Any]) -> Path:
    """For options that take a path of this machine alone."""
    found = location(tokens[0].value)
    if not isinstance(found, Path):
        raise NotbugsError(f"{tokens[0].value}: this has to be a path of this machine")
    return found


DataRoot = Annotated[
    Location | None,
    Parameter(
        help="Directory of local Parquet files; without it, the hub is asked.",
        converter=located,
        metavar="PATH|URL",
    ),
]
Drawer = Annotated[
    str, Parameter(help="Who draws: zoo:NAME, a run directory, a .safetensors file, package.module:factory.")
]
Data = Annotated[
    str,
    Parameter(
        help="planted, planted-spurious, digits, squares, sketches, cifar10, cifar10:cat,dog, folder:PATH, hf:NAME, "
        "parquet:PATH, built:DIR; tagged:SOURCE plants a tag; SOURCE@SHIFT changes every image: cifar10@fog:3, "
        "cifar10@high:12."
    ),
]

Split = Annotated[
    Literal["train", "test", "all"],
    Parameter(help="Which images. Where nobody has divided them, every fifth of a class is test."),
]


@Parameter(name="*")
@final
@dataclass(frozen=True, kw_only=True)
class Common:
    """Options that every command takes."""

    out: Annotated[
        Location,
        Parameter(
            help="Root of the run directories: a path, or a URL as s3://bucket/runs.",
            converter=writable,
            metavar="PATH|URL",
        ),
    ] = Path("runs")
    seed: Annotated[int, Parameter(help="Every random draw follows from it.")] = 0
    device: Annotated[str, Parameter(help="auto, cpu, cuda, cuda:1, mps.")] = "auto"
    precision: Annotated[
        str, Parameter(help="auto, float32 or bfloat16 (results are verified in float32).")
    ] = "auto"
    on: Annotated[
        Literal["local", "ray"],
        Parameter(help="Where shards and stages are made: here, or on a Ray cluster."),
    ] = "local"
    ray_address: Annotated[
        str, Parameter(help="Of a cluster that is there, host:port or auto; else this machine is one.")
    ] = ""
    ray_gpus: Annotated[
        float,
        Parameter(help="What a task takes of a GPU there; 0.25: four share one. Default: 1 on CUDA, else 0."),
    ] = -1.0
    quiet: Annotated[bool, Parameter(help="No progress.", negative=())] = False
    json: Annotated[
        bool, Parameter(help="Print the result as JSON on stdout, and nothing else.", negative=())
    ] = False


DEFAULT = Common()
SKETCHES = "sketches"
ROOTED = ("cifar10", "hf")
"""Sources that --data-root has a say in."""
_STARTED = time.time()


@Parameter(name="*")
@final
@dataclass(frozen=True, kw_only=True)
class Output:
    """Options of commands that compute nothing: no seed, device or precision plays a part."""

    quiet: Annotated[bool, Parameter(help="Do not say what was written.", negative=())] = False
    json: Annotated[
        bool, Parameter(help="Print the result as JSON on stdout, and nothing else.", negative=())
    ] = False


SAY = Output()


def settled(common: Common, *, on_ray: str = "") -> Common:
    """The options after the checks and settings that come before any work.

    What a machine decides for itself is decided here for all of a cluster. `on_ray` says why a command is not for
    one, and what is.
    """
    from notbugs.hardware import choose_precision, keep_freed_memory

    device = device_of(common)
    precision = choose_precision(common.precision, device)
    if common.seed < 0:
        raise NotbugsError(f"seed must be >= 0, got {common.seed}")
    if common.on == "local" and (common.ray_address or common.ray_gpus >= 0):
        raise NotbugsError("--ray-address and --ray-gpus go with --on ray")
    keep_freed_memory()
    if common.on == "local":
        return common
    if on_ray:
        raise NotbugsError(f"{on_ray}; leave out --on ray")
    if device.index is not None:
        raise NotbugsError(f"Ray gives every task a GPU of its own; leave out --device {device}")
    if common.ray_gpus > 0 and device.type != "cuda":
        raise NotbugsError(
            "--ray-gpus needs a GPU here as well, where it is decided for all what is computed on: give the command "
            "on a machine of the cluster that has one"
        )
    out = common.out.absolute() if isinstance(common.out, Path) else common.out
    return replace(common, device=device.type, precision=str(precision).removeprefix("torch."), out=out)


def device_of(common: Common) -> "torch.device":
    from notbugs.hardware import choose_device

    return choose_device(common.device)


def of_rank(common: Common, ranks: Ranks) -> Common:
    """The options of one of several ranks: each has a GPU of its own, and the first alone shows progress."""
    if not ranks.several:
        return common
    if common.on != "local":
        raise NotbugsError("--on ray and torchrun are two ways to use several machines: one of both")
    device, quiet = device_of(common), common.quiet or not ranks.is_first
    if device.type == "cuda":
        if device.index is not None:
            raise NotbugsError(f"torchrun gives every rank a GPU of its own; leave out --device {device}")
        return replace(common, device=f"cuda:{ranks.local_rank}", quiet=quiet)
    return replace(common, quiet=quiet)


def load_images(
    source: str, root: Location | None, common: Common, *, split: str = "train"
) -> "LabeledImages":
    from notbugs.data import load

    if root is not None and source.removeprefix("tagged:").partition("@")[0].partition(":")[0] not in ROOTED:
        raise NotbugsError(f"--data-root serves cifar10 and hf:NAME only, not {source[:80]!r}; leave it out")
    device = device_of(common)
    return load(source, split=split, root=root, seed=common.seed, for_device=device).to(device)


def processes_to_read(ranks: Ranks = ALONE) -> int:
    """How many processes of each rank decode images: what the cores of its machine leave, two of which train."""
    return max(0, min(8, ((os.cpu_count() or 1) - 2) // ranks.local_world_size))


def sketched(source: str, model: str) -> str:
    """The source, or, where nobody has named one, sketches of the classes that a shipped model knows."""
    card = shipped_card(model)
    return f"{SKETCHES}:{','.join(card.class_names)}" if card and source == SKETCHES else source


def shipped_card(model: str) -> "Card | None":
    """The card of a model that comes with the package; None for any other."""
    from notbugs.models import zoo_card, zoo_names

    name = model.removeprefix("zoo:")
    return zoo_card(name) if model.startswith("zoo:") and name in zoo_names() else None


def require_same_classes(model: str, images: "LabeledImages") -> None:
    """Raise NotbugsError where a shipped model's classes are others than the images', or in another order."""
    card = shipped_card(model)
    if card and images.class_names != card.class_names:
        raise NotbugsError(
            f"{model} knows the classes {', '.join(card.class_names)}, in this order; the images have "
            f"{', '.join(images.class_names)}: give --data with the model's"
        )


def job_of(common: Common, progress: "Progress") -> "Job":
    from notbugs.jobs import Job

    return Job(
        root=common.out,
        seed=common.seed,
        precision=common.precision,
        progress=progress,
        on=execution_of(common),
    )


def execution_of(common: Common) -> "Execution":
    from notbugs.execution import LOCAL

    if common.on == "local":
        return LOCAL
    from notbugs.cluster import OnRay

    asked = common.ray_gpus >= 0
    return OnRay(
        address=common.ray_address,
        gpus=common.ray_gpus if asked else float(device_of(common).type == "cuda"),
    )


def show(run: "Run", common: Common) -> None:
    """The result on stdout: as JSON, or as a table with the way to the report."""
    result: dict[str, Any] = run.result
    if run.finished_at < _STARTED and not common.quiet:
        when = datetime.fromtimestamp(run.finished_at).strftime("%Y-%m-%d %H:%M")
        say(f"found what this command left on {when}; nothing was computed")
    if common.json:
        from notbugs.description import to_json

        sys.stdout.write(to_json(result))
        return
    from rich.console import Console

    from notbugs.app.naming import stage_title
    from notbugs.app.table import audit_table, metrics_table, study_table, verdict_table

    console = Console()
    tables = {"study": study_table, "audit": audit_table, "comparison": audit_table}
    console.print(tables.get(result["command"], metrics_table)(result))
    if result.get("verdicts"):
        console.print(verdict_table(result))
    for flag in result["flags"]:
        console.print(f"[bold]beware[/bold] {stage_title(result, flag['of'])}: {flag['reason']}")
    console.print(f"{run.report}", soft_wrap=True)


def show_paths(written: Mapping[str, Any], paths: Sequence[Location], output: Output) -> None:
    """What was written, on stdout: as JSON, or one path a line."""
    if output.json:
        from notbugs.description import to_json

        sys.stdout.write(to_json(written))
    elif not output.quiet:
        sys.stdout.writelines(f"{path}\n" for path in paths)


def say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201
