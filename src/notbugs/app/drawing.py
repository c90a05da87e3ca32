"""`notbugs draw TASK`: what a robust model can draw."""

import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from notbugs.app.canvas import PLAIN, Canvas
from notbugs.app.cli import app
from notbugs.app.options import (
    DEFAULT,
    SKETCHES,
    Common,
    device_of,
    job_of,
    load_images,
    require_same_classes,
    settled,
    shipped_card,
    show,
    sketched,
)
from notbugs.errors import NotbugsError, require_positive, unknown

if TYPE_CHECKING:
    from notbugs.data import LabeledImages
    from notbugs.drawings import Task
    from notbugs.synthesis import ClassGaussians

drawing = App(
    name="draw",
    help="What a robust model can draw: PNG grids, the way there as an animation, and result.json.",
)
app.command(drawing)


To = Annotated[str, Parameter(help="A class by name. Default: the next one of each image.")]
OwnClass = Annotated[str, Parameter(help="A class by name. Default: its own.")]
EachClass = Annotated[str, Parameter(help="A class by name. Default: all in turn.")]
Unit = Annotated[int | None, Parameter(help="A feature by number. Default: the one that differs most.")]
Rectangle = Annotated[str, Parameter(help="TOP,LEFT,HEIGHTxWIDTH in pixels.")]


@drawing.command
def invert(
    *,
    over: Annotated[
        str, Parameter(help="Steps over pixels, or over frequencies: coarse ones first.")
    ] = "pixels",
    canvas: Canvas = PLAIN,
    common: Common = DEFAULT,
) -> None:
    """What the model keeps of an image: from noise, an image that it represents alike.

    Example: notbugs draw invert --data cifar10 --data-root data
    """
    if over not in ("pixels", "frequencies"):
        raise unknown("--over", over, ("pixels", "frequencies"))
    _draw("invert", canvas, common, over=over)


@drawing.command
def interpolate(
    *,
    count: Annotated[int, Parameter(help="Images on the way, both ends among them.")] = 8,
    canvas: Canvas = PLAIN,
    common: Common = DEFAULT,
) -> None:
    """Images between two images, as the model represents them; the first half of the images to the second.

    Example: notbugs draw interpolate --n 6
    """
    require_positive("count", count)
    _draw("interpolate", canvas, common, count=count)


@drawing.command
def visualize(
    *,
    units: Annotated[str, Parameter(help="Features by number: 3,17. Default: those that differ most.")] = "",
    start: Annotated[str, Parameter(help="noise, grey or images.")] = "noise",
    canvas: Canvas = PLAIN,
    common: Common = DEFAULT,
) -> None:
    """What single features look for, with the images on which they are highest.

    Example: notbugs draw visualize --units 3,17 --start grey
    """
    if start not in ("noise", "grey", "images"):
        raise unknown("--start", start, ("noise", "grey", "images"))
    _draw("visualize", canvas, common, units=tuple(_whole(units)), start=start)


@drawing.command
def manipulate(
    *,
    unit: Unit = None,
    levels: Annotated[str, Parameter(help="Where to: in deviations above the feature's mean.")] = "-1,2,4,8",
    canvas: Canvas = PLAIN,
    common: Common = DEFAULT,
) -> None:
    """More or less of one feature in each image, as by a dial.

    Example: notbugs draw manipulate --unit 17 --levels 0,3,6
    """
    _draw("manipulate", canvas, common, unit=unit, levels=_numbers("--levels", levels))


@drawing.command
def generate(*, to: EachClass = "", canvas: Canvas = PLAIN, common: Common = DEFAULT) -> None:
    """New images, grown from seeds that hold no more than the layout of a class's colours.

    Example: notbugs draw generate --to horse
    """
    require_positive("n", canvas.n)
    _draw("generate", canvas, common, to=to, count=canvas.n)


@drawing.command
def inpaint(*, hole: Rectangle = "", canvas: Canvas = PLAIN, common: Common = DEFAULT) -> None:
    """Holes in images, filled with what their class would have there.

    Example: notbugs draw inpaint --hole 8,8,12x12
    """
    _draw("inpaint", canvas, common, hole=_region("--hole", hole))


@drawing.command
def superres(
    *,
    factor: Annotated[int, Parameter(help="How many times smaller the images are made first.")] = 2,
    canvas: Canvas = PLAIN,
    common: Common = DEFAULT,
) -> None:
    """Small images enlarged by what raises their class score, beside the bicubic enlargement.

    Example: notbugs draw superres --factor 4
    """
    _draw("superres", canvas, common, factor=factor)


@drawing.command
def translate(*, to: To = "", canvas: Canvas = PLAIN, common: Common = DEFAULT) -> None:
    """Each image turned into another class.

    Example: notbugs draw translate --data cifar10 --to deer
    """
    _draw("translate", canvas, common, to=to)


@drawing.command
def sketch(*, to: OwnClass = "", canvas: Canvas = PLAIN, common: Common = DEFAULT) -> None:
    """A sketch turned into a picture of its class.

    Example: notbugs draw sketch --data cifar10 --data-root data --eps 4
    """
    _draw("sketch", canvas, common, to=to)


@drawing.command(name="paint")
def paint_feature(
    *, unit: Unit = None, region: Rectangle = "", canvas: Canvas = PLAIN, common: Common = DEFAULT
) -> None:
    """One feature painted onto a place of each image.

    Example: notbugs draw paint --unit 17 --region 0,0,16x32
    """
    _draw("paint", canvas, common, unit=unit, region=_region("--region", region))


@drawing.command
def collide(*, canvas: Canvas = PLAIN, common: Common = DEFAULT) -> None:
    """Images that look like these, and that the model represents as other ones, as far as --eps allows.

    Example: notbugs draw collide --model zoo:cifar10-standard --eps 0.5
    """
    _draw("collide", canvas, common)


@drawing.command
def counterfactual(
    *,
    to: To = "",
    within: Annotated[
        str, Parameter(help="How far towards the class beside it: L2, of images of 32 pixels.")
    ] = "0.5,1,2,4",
    canvas: Canvas = PLAIN,
    common: Common = DEFAULT,
) -> None:
    """The smallest change of each image after which the model says another class, and what larger ones look like.

    Example: notbugs draw counterfactual --data cifar10 --to cat --within 1,2,4,8
    """
    _draw("counterfactual", canvas, common, to=to, within=_numbers("--within", within))


@drawing.command
def saliency(*, canvas: Canvas = PLAIN, common: Common = DEFAULT) -> None:
    """Where the model looks: input gradients, SmoothGrad, integrated gradients.

    Example: notbugs draw saliency --model zoo:cifar10-standard
    """
    _draw("saliency", canvas, common)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    """The numbers of a list with commas between. Raises NotbugsError for any other text."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
        if all(map(math.isfinite, numbers)):
            return numbers
        raise ValueError("not finite")
    except ValueError as error:
        raise NotbugsError(f"{option} {text!r}: expected numbers with commas between, as in 1,2,4") from error


def _draw(name: str, canvas: Canvas, common: Common, **parameters: Any) -> None:
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.drawings import TASKS
    from notbugs.jobs import Subject, draw_job
    from notbugs.runs import find_classifier, source_digest

    common = settled(common)
    require_positive("n", canvas.n)
    model = find_classifier(canvas.model, device=device_of(common))
    canvas = replace(canvas, data=sketched(canvas.data, canvas.model))
    images = load_images(canvas.data, canvas.data_root, common, split=canvas.split).part(canvas.n)
    require_same_classes(canvas.model, images)
    if parameters.get("to") and parameters["to"] not in images.class_names:
        raise unknown("class", parameters["to"], images.class_names)
    known = {field.name: field.default for field in fields(TASKS[name])}  # type: ignore[arg-type]
    if "pace" in known:
        parameters["pace"] = canvas.paced(known["pace"], *images.images.shape[2:])  # type: ignore[arg-type]
    else:
        for option in sorted(set(canvas.asked) - set(known)):
            raise NotbugsError(f"{name} takes no --{option.replace('_', '-')}")
        parameters |= canvas.asked
    task: Task = TASKS[name](**parameters)
    gaussians = _gaussians(canvas, images, common) if name == "generate" else None
    with watching(quiet=common.quiet) as watch:
        run = draw_job(
            job_of(common, watch(name)),
            task,
            Subject(model=model, named=canvas.model, source=source_digest(canvas.model)),
            images,
            gaussians=gaussians,
            frames=canvas.frames,
        )
    write_report(run, originals=images)
    show(run, common)


def _gaussians(canvas: Canvas, images: "LabeledImages", common: Common) -> "ClassGaussians":
    """Those that come with the model, as long as no other images are named; else fitted to these."""
    from notbugs.models import zoo_seeds
    from notbugs.synthesis import fit_gaussians, load_gaussians

    card = shipped_card(canvas.model)
    seeds = zoo_seeds(card.name) if card else None
    if seeds is not None and canvas.data.startswith(SKETCHES):
        return load_gaussians(seeds)
    return fit_gaussians(load_images(canvas.data, canvas.data_root, common))


def _whole(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise NotbugsError(f"{text!r}: expected whole numbers with commas between, as in 3,17") from error


def _region(option: str, text: str) -> Any:
    from notbugs.threats.families import parse_family

    try:
        return parse_family(f"region:{text}") if text else None
    except NotbugsError as error:
        raise NotbugsError(
            f"{option} {text!r}: expected TOP,LEFT,HEIGHTxWIDTH in pixels, as in 8,8,12x12"
        ) from error


__all__ = ["Canvas", "drawing"]
