"""The sections of an audit's report about where a model looks: frequencies, regions, saliency."""

from collections.abc import Mapping

import torch
from torch import Tensor

from notbugs.app.audit_filters import learned_blocks, learned_said
from notbugs.app.audit_maps import map_panels
from notbugs.app.audit_shifts import frequency_figures
from notbugs.app.audited_models import Page, titled, whose
from notbugs.app.blocks import Block, Figure, Grid, Pictures, Section
from notbugs.app.pictures import Strip, of_every_class, strip
from notbugs.app.rows import percent
from notbugs.audits import HeatMap, RegionMap
from notbugs.jobs import read_heat_map, read_regions, read_saliency
from notbugs.shifts import mirrored

METHODS = {"gradient": "Input gradient", "smooth": "SmoothGrad", "integrated": "Integrated gradients"}


def frequency_section(page: Page) -> Section:
    """Heat map, sensitivity, and accuracy under filters and noise."""
    told = []
    blocks: list[Block] = []
    models = page.having("heat")
    if models:
        found = {model.label: read_heat_map(model.stages["heat"]) for model in models}
        first = next(iter(found.values()))[0]
        errors = [(label, one.map()) for label, (one, _) in found.items()]
        for label, (one, _) in found.items():
            rings = one.by_radius()
            worst = max(rings, key=lambda ring: rings[ring])
            told.append(
                f"{whose(label, found)}waves of {worst} cycles per image hurt most, "
                f"{percent(rings[worst])} % errors at L2 length {one.norm:.3g} a channel."
            )
        (left, right), (top, bottom) = _cells(first, 1), _cells(first, 0)
        blocks += [
            Figure(
                title="Fourier heat map",
                caption=f"Errors in percent when a single Fourier basis vector of L2 length {first.norm:.3g} is "
                f"added to each channel (Yin et al. 2019); n = {first.n} images a vector. The middle is frequency 0.",
                drawing=map_panels(
                    errors,
                    extent=(left, right, bottom, top),
                    labels=("cycles across", "cycles down"),
                    unit="errors, %",
                    told=" ".join(f"{label}: {_told(one.by_radius())}." for label, (one, _) in found.items()),
                    name="heat",
                    highest=max(float(values.nan_to_num().max()) for _, values in errors) or 1.0,
                ),
            )
        ]
        whole = [(label, sensitivity / sensitivity.max()) for label, (_, sensitivity) in found.items()]
        height, width = first.image_size
        blocks.append(
            Figure(
                title="The same to first order",
                caption="How much the margin changes along each basis vector, in percent of each model's largest: "
                "the unitary Fourier transform of its input gradient, one backward pass an image.",
                drawing=map_panels(
                    whole,
                    # Frequencies run from -(size // 2) up, a cell each.
                    extent=(
                        -(width // 2) - 0.5,
                        width - width // 2 - 0.5,
                        height - height // 2 - 0.5,
                        -(height // 2) - 0.5,
                    ),
                    labels=("cycles across", "cycles down"),
                    unit="of the largest, %",
                    told=" ".join(f"{label}: largest at {_place(values)}." for label, values in whole),
                    name="sensitivity",
                ),
            )
        )
    intro = (
        "Which frequencies carry the answer, and which upset it. Low frequencies are coarse patterns, high ones "
        "fine; bands are radial."
    )
    told += learned_said(page)
    blocks += [*learned_blocks(page), *frequency_figures(page)]
    return Section(
        key="frequency",
        title="Frequencies",
        intro=intro,
        findings=told,
        blocks=blocks,
    )


def region_section(page: Page) -> Section:
    """Where answers go with a window's content, and with what a mask covers."""
    models = page.having("regions")
    both = {model.label: read_regions(model.stages["regions"]) for model in models}
    found = {label: one for label, (one, _) in both.items()}
    masked = {label: moved for label, (_, moved) in both.items() if moved}
    told = [f"{whose(label, found)}{_region_said(one)}" for label, one in found.items()]
    told += [
        f"{whose(label, found)}what the mask covers, {percent(moved.area)} % of the image, takes "
        f"{percent(moved.follows.value)} % of the answers with it; {percent(moved.stays.value)} % stay."
        for label, moved in masked.items()
    ]
    first = next(iter(found.values()))
    (height, width), top, left = first.windows.size, first.windows.top, first.windows.left
    shares = [(label, one.follows.double() / max(1, one.n)) for label, one in found.items()]
    figure = Figure(
        title="Answers that go with a region",
        caption=f"Percent of the answers that become the other image's when a window of {height} by {width} pixels "
        f"is taken from there, window by window; n = {first.n} pairs of images that the model answers differently.",
        drawing=map_panels(
            shares,
            extent=(-0.5, len(left) - 0.5, len(top) - 0.5, -0.5),
            labels=("window, left to right", "window, top to bottom"),
            unit="follow, %",
            told=" ".join(
                f"{label}: most at {one.described()}, {percent(one.strongest_share.value)}."
                for label, one in found.items()
            ),
            name="regions",
            highest=max(0.1, *(float(values.max()) for _, values in shares)),
        ),
    )
    intro = (
        "A tag, a watermark, a ruler: what stands in one place and decides the class shows when it is moved."
    )
    blocks: list[Block] = [figure]
    if masked:
        blocks.append(
            Grid(
                caption="What the mask covers, taken from another image: answers in percent with 95 % intervals.",
                head=("Model", "Follow it", "Stay"),
                rows=[
                    (
                        model.label,
                        (model.entry("regions", "mask.follows"), model.entry("regions", "mask.stays")),
                    )
                    for model in models
                    if model.label in masked
                ],
            )
        )
    return Section(key="regions", title="Regions that decide", intro=intro, findings=told, blocks=blocks)


def _region_said(found: RegionMap) -> str:
    if found.n == 0:
        return "it has one answer to all images, so that nothing can be swapped."
    more = (
        "far more often than any window apart from it."
        if found.flag()
        else "as large a part of the image may well do."
    )
    return (
        f"moved to another image, the content of {found.described()} takes {percent(found.strongest_share.value)} % "
        f"of the answers with it, {more}"
    )


def saliency_section(page: Page) -> Section:
    """Maps of some images, and on planted data how much of them lies where it should."""
    models, blocks = page.having("saliency"), list[Block]()
    features = sorted({key.split(".")[0] for key in models[0].results["saliency"]["metrics"]})
    for feature in features:
        inside = "the mask that was given" if feature == "mask" else f"the true mask of the {feature} feature"
        area = models[0].value("saliency", f"{feature}.area")
        blocks.append(
            Grid(
                caption=f"Saliency inside {inside}, which covers {percent(area)} % of "
                "the image: the share of its energy, and how often the most salient pixel lies there (pointing "
                "game), in percent with 95 % intervals.",
                head=(
                    "Method",
                    *(f"{model.label}, {what}" for what in ("energy", "pointing") for model in models),
                ),
                rows=[
                    (
                        METHODS[method],
                        tuple(
                            model.entry("saliency", f"{feature}.{method}.{what}")
                            for what in ("energy", "pointing")
                            for model in models
                        ),
                    )
                    for method in METHODS
                ],
            )
        )
    strips = _saliency_strips(page)
    if strips:
        blocks.append(Pictures(title="Where it looks", strips=strips))
    intro = (
        "Where a small change moves the margin between the label and the next class most: bright is more. Saliency "
        "is a first look, not evidence: taking features away is."
    )
    return Section(key="saliency", title="Saliency", intro=intro, findings=[], blocks=blocks)


def _saliency_strips(page: Page) -> list[Strip]:
    models = page.having("saliency")
    if page.originals is None:
        return []
    n = int(models[0].results["saliency"]["config"]["n"])
    data = page.originals.part(n)
    rows = of_every_class(data.labels.tolist(), [True] * len(data))
    part = data.take(rows.to(data.labels.device)).to("cpu")
    names = [part.class_names[label] for label in part.labels.tolist()]
    shown = [strip("Original", "the images and their labels", part.images, names)]
    for model in models:
        maps = read_saliency(model.stages["saliency"])
        for method, title in METHODS.items():
            chosen = maps[method][rows]
            bright = chosen / chosen.flatten(1).quantile(0.99, dim=1).clamp_min(1e-30)[:, None, None]
            heading = titled(title, model.label, models)
            shown.append(strip(heading, "", bright.clamp(0, 1)[:, None], [""] * len(rows)))
    return shown


def _told(rings: Mapping[int, float]) -> str:
    return ", ".join(f"{percent(error)} at {ring}" for ring, error in rings.items())


def _cells(found: HeatMap, axis: int) -> tuple[float, float]:
    """From the lowest to the highest frequency of an axis, outer edges of their cells."""
    every = torch.cat([found.frequencies, mirrored(*found.image_size, found.frequencies)])[:, axis]
    return float(every.min()) - found.step / 2, float(every.max()) + found.step / 2


def _place(values: Tensor) -> str:
    height, width = values.shape
    row, column = divmod(int(torch.argmax(values)), width)
    return f"{row - height // 2} cycles down and {column - width // 2} across"


__all__ = ["frequency_section", "region_section", "saliency_section"]
