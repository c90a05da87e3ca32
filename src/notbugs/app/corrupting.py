"""`notbugs corrupt`: the corrupted copy that a data set never had."""

import re
from typing import Annotated, Literal

from cyclopts import Parameter

from notbugs.app.cli import app
from notbugs.app.options import DEFAULT, Common, Data, DataRoot, Split, job_of, load_images, settled, show
from notbugs.errors import NotbugsError, require_positive


@app.command
def corrupt(
    *,
    data: Data,
    data_root: DataRoot = None,
    split: Split = "test",
    corruptions: Annotated[
        str,
        Parameter(help="all: nineteen; common: the fifteen that models are judged by; or names: fog,snow."),
    ] = "all",
    severities: Annotated[
        str, Parameter(help="From 1 to 5, and anything between: 1,3,5 or 2.5.")
    ] = "1,2,3,4,5",
    layout: Annotated[
        Literal["npy", "imagefolder"],
        Parameter(
            help="npy: one array a corruption, as CIFAR-10-C. imagefolder: CORRUPTION/SEVERITY/CLASS/*.png, as "
            "ImageNet-C."
        ),
    ] = "npy",
    n: Annotated[int | None, Parameter(help="At most so many images; default: all.")] = None,
    common: Common = DEFAULT,
) -> None:
    """Write a corrupted copy of any data set: its name-C, in the layout of CIFAR-10-C or of ImageNet-C.

    The nineteen common corruptions with their authors' parameters, for images of any size, rounded to 8 bits, the
    same for the same seed. An interrupted copy goes on at the corruption where it was.

    Example: notbugs corrupt --data folder:photographs --corruptions fog,snow,contrast --layout imagefolder
    """
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.jobs import corrupt_job
    from notbugs.shifts import COMMON, CORRUPTIONS

    common = settled(common)
    sets = {"all": tuple(CORRUPTIONS), "common": tuple(COMMON)}
    names = sets.get(corruptions) or tuple(name.strip() for name in corruptions.split(","))
    strengths = _numbers(severities)
    images = load_images(data, data_root, common, split=split)
    if n is not None:
        require_positive("n", n)
        images = images.part(n)
    with watching(quiet=common.quiet) as watch:
        run = corrupt_job(
            job_of(common, watch("corrupt")),
            re.sub(r"[^\w.-]+", "-", f"{images.origin.name}-C"),
            images,
            corruptions=names,
            severities=strengths,
            layout=layout,
        )
    write_report(run, originals=images)
    show(run, common)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise NotbugsError(
            f"severities {text!r}: expected numbers with commas between, as in 1,3,5"
        ) from error
