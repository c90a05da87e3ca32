"""`notbugs demo`: a page to play with what a robust model can draw."""

import time
from contextlib import suppress
from typing import Annotated

from cyclopts import Parameter

from notbugs.app.cli import app
from notbugs.app.options import (
    DEFAULT,
    SKETCHES,
    Common,
    Data,
    DataRoot,
    Drawer,
    device_of,
    load_images,
    require_same_classes,
    say,
    settled,
    sketched,
)

MOST_EXAMPLES, STANDARD = 200, "zoo:cifar10-standard"


@app.command
def demo(
    *,
    model: Drawer = "zoo:cifar10-robust",
    beside: Annotated[
        str | None,
        Parameter(help="A model to compare with. Default: zoo:cifar10-standard where it fits; '' for none."),
    ] = None,
    data: Data = SKETCHES,
    data_root: DataRoot = None,
    host: Annotated[
        str, Parameter(help="Who may visit: 127.0.0.1 this machine alone, 0.0.0.0 all.")
    ] = "127.0.0.1",
    port: Annotated[int | None, Parameter(help="Default: the first free one from 7860 on.")] = None,
    common: Common = DEFAULT,
) -> None:
    """A web page to play with: turn an image into a class, paint a feature, fill a hole, walk between two images.

    It serves this machine alone unless told otherwise, and loads nothing from anywhere else. Ctrl-C ends it.

    Example: notbugs demo --data cifar10 --data-root data
    """
    import torch

    from notbugs.app.demo.serving import serving
    from notbugs.app.demo.studio import open_studio
    from notbugs.app.progress import watching
    from notbugs.models import zoo_card
    from notbugs.runs import find_classifier

    common = settled(common, on_ray="demo serves from one machine")
    # Visitors are drawn for side by side; one image gains nothing from a second thread.
    torch.set_num_threads(1)
    examples = load_images(sketched(data, model), data_root, common, split="test").part(MOST_EXAMPLES)
    if beside is None:
        beside = STANDARD if examples.class_names == zoo_card("cifar10-standard").class_names else ""
    for name in (model, beside):
        require_same_classes(name, examples)
    labels = {"zoo:cifar10-robust": "robust", "zoo:cifar10-dog-cat": "robust", STANDARD: "standard"}
    models = {
        labels.get(name, name): find_classifier(name, device=device_of(common))
        for name in (model, beside)
        if name
    }
    with watching(quiet=common.quiet) as watch:
        studio = open_studio(models, examples, progress=watch("demo"))
    with serving(studio, host=host, port=port) as address:
        say(f"{address}  (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):  # the way to end it, and no error
            while True:
                time.sleep(3600)
