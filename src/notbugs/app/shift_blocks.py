"""What the sections about shifts share: bars and tables of all models, and images under each shift."""

from collections.abc import Callable, Mapping, Sequence

import torch

from notbugs.app.audited_models import Audited, Page
from notbugs.app.blocks import Entry, Grid, Pictures
from notbugs.app.dots import accuracy_dots
from notbugs.app.figures import Series, accuracy_bars
from notbugs.app.pictures import Strip, strip
from notbugs.app.rows import percent
from notbugs.app.svg import Drawing
from notbugs.audits import ShiftAudit, difference
from notbugs.data.labeled import LabeledImages
from notbugs.jobs import read_shifts, shift_groups
from notbugs.shifts import Band, Shift, at_unit_variance, parse_shift
from notbugs.tensors import Images

MOST_BARS = 3
"""Models that a group of bars has room for; more are dots."""


def bars(
    names: Sequence[str], models: Sequence[Audited], section: str, keys: Sequence[str], page: Page, name: str
) -> Drawing:
    series = [
        Series(
            label=model.label,
            values=[model.value(section, key) for key in keys],
            intervals=[model.interval(section, key) for key in keys],
            references=[None] * len(keys),
        )
        for model in models
    ]
    told = " ".join(
        f"{group}: "
        + ", ".join(f"{model.label} {percent(model.value(section, key))}" for model in models)
        + "."
        for group, key in zip(names, keys, strict=True)
    )
    chance, many = 1 / page.classes, len(models) > MOST_BARS
    draw = accuracy_dots if many else accuracy_bars
    return Drawing(
        wide=draw(names, series, chance=chance, name=f"bars-{name}"),
        narrow=draw(names, series, chance=chance, narrow=True, name=f"bars-{name}-narrow"),
        alt=f"{'Dot' if many else 'Bar'} chart of accuracy in percent. {told}",
    )


def heads(models: Sequence[Audited], what: str) -> list[str]:
    return [f"{model.label}, {what}" if len(models) > 1 else what.capitalize() for model in models]


def human(name: str) -> str:
    return name.replace("_", " ").replace("jpeg", "JPEG")


def against_the_first(models: Sequence[Audited], section: str, name: Callable[[str], str]) -> list[Grid]:
    """What every other model has over the first one, paired by image, group by group of shifts."""
    if len(models) < 2:
        return []
    first, *others = [read_shifts(model.stages[section]) for model in models]
    groups = shift_groups(models[0].stages[section])

    def entry(other: ShiftAudit, shifts: Mapping[str, str]) -> Entry:
        found = difference(first, other, shifts.values())
        low, high = (100 * end for end in found.interval)
        return Entry(f"{100 * found.value:+.1f}", f"{low:+.1f} to {high:+.1f}", found.value)

    every = {text: text for shifts in groups.values() for text in shifts.values()}
    rows = [
        (name(group), tuple(entry(other, shifts) for other in others)) for group, shifts in groups.items()
    ]
    if section == "corruption":
        rows.append(("all", tuple(entry(other, every) for other in others)))
    return [
        Grid(
            caption=f"Points of accuracy over {models[0].label}, on average over severities or cut-offs, with 95 % "
            f"intervals paired by image; n = {len(first.clean)}.",
            head=("Difference", *(model.label for model in models[1:])),
            rows=rows,
        )
    ]


def looks(strips: Sequence[Strip]) -> list[Pictures]:
    return [Pictures(title="What they look like", strips=strips)] if strips else []


def one_image(
    originals: LabeledImages | None,
    title: str,
    shifts: Mapping[str, str | Shift],
    *,
    note: str = "",
    seed: int = 0,
) -> list[Strip]:
    """A colourful image under each of the shifts; what holds no frequency 0 at a variance that can be seen."""
    if originals is None:
        return []
    first = originals.images[:50].cpu()
    place = int(first.std(1).mean((1, 2)).argmax()) if first.shape[1] > 1 else 0
    image = first[place : place + 1]
    shown: list[Images] = [image]
    for one in shifts.values():
        shift = parse_shift(one) if isinstance(one, str) else one
        if isinstance(shift, Band) and shift.low > 0:
            shown.append(at_unit_variance(shift.keep(image)))
        else:
            shown.append(shift(image, seed=seed, indices=[place]))
    return [strip(title, note, torch.cat(shown), ["as it is", *shifts])]


__all__ = ["against_the_first", "bars", "heads", "human", "looks", "one_image"]
