"""`notbugs report`, `export` and `doctor`: what is there, shown or handed on."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from notbugs.app.cli import app
from notbugs.app.options import DEFAULT, SAY, Common, DataRoot, Output, here, located, settled, show_paths
from notbugs.errors import NotbugsError
from notbugs.locations import Location


@app.command
def report(
    *runs: Annotated[Location, Parameter(help="Run directories.", converter=located, metavar="PATH|URL")],
    data_root: DataRoot = None,
    output: Output = SAY,
) -> None:
    """Rebuild report.html from what the run directories hold.

    Example: notbugs report runs/dog-vs-cat-0123456789 --data-root data/cifar10
    """
    from notbugs.app.report import write_report
    from notbugs.runs import Run

    if not runs:
        raise NotbugsError("name at least one run directory, as in: notbugs report runs/planted-0123456789")
    for path in runs:
        if not path.is_dir():
            raise NotbugsError(f"{path} is not a run directory")
    reports = [write_report(Run(path), data_root=data_root) for path in runs]
    show_paths({"command": "report", "reports": [str(path) for path in reports]}, reports, output)


@app.command
def export(
    directory: Annotated[
        Location, Parameter(help="A built data set.", converter=located, metavar="PATH|URL")
    ],
    /,
    *,
    to: Annotated[Literal["parquet", "imagefolder", "npz"], Parameter(help="The format.")],
    out: Annotated[
        Path | None,
        Parameter(
            help="Where to, on this machine; default: DIRECTORY-FORMAT.", converter=here, metavar="PATH"
        ),
    ] = None,
    output: Output = SAY,
) -> None:
    """Write a built data set for use elsewhere: Hugging Face Parquet with a card, class folders, or .npz.

    Example: notbugs export runs/build-det-0123456789 --to parquet
    """
    from notbugs.data import export as write
    from notbugs.data.shards import read_built

    data = read_built(directory)
    beside = directory if isinstance(directory, Path) else Path(directory.name)
    path = write(data, out or beside.with_name(f"{directory.name}-{to}"), to)
    written = {"command": "export", "from": str(directory), "to": to, "path": str(path), "n": len(data)}
    show_paths(written, [path], output)


@app.command
def doctor(*, common: Common = DEFAULT) -> None:
    """Say what this machine has: device, number format, room for --out, optional packages.

    The device is the one asked for, and an input gradient is computed on it; with --quiet, only what is wrong.

    Example: notbugs doctor --device cuda
    """
    from notbugs.app.doctor import examine, print_findings

    common = settled(common)
    print_findings(examine(common), as_json=common.json, only_wrong=common.quiet)
