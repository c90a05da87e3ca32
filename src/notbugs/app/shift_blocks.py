"""What the sections about shifts share: bars and tables of all models, and images under each shift."""

from collections.abc import Mapping, Sequence

import torch

from notbugs.app.audited_models import Audited, Page
from notbugs.app.blocks import Entry, Grid, Pictures
from notbugs.app.dots import accuracy_dots
from notbugs.app.figures import Series, accuracy_bars
from notbugs.app.pictures import Strip, strip
from notbugs.app.rows import percent
from notbugs.app.svg import Drawing
from notbugs.audits import Difference, difference
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


Gains = Mapping[str, Mapping[str, Difference]]
"""What every other model has over the first one, group by group of shifts and over ALL: by the model's label."""

ALL = "all"


def gains_over_the_first(models: Sequence[Audited], section: str) -> Gains:
    """Paired by image. Nothing is read of a model that is alone."""
    if len(models) < 2:
        return {}
    first, *others = [read_shifts(model.stages[section]) for model in models]
    groups = {
        group: list(shifts.values()) for group, shifts in shift_groups(models[0].stages[section]).items()
    }
    groups[ALL] = [shift for shifts in groups.values() for shift in shifts]
    return {
        model.label: {group: difference(first, other, shifts) for group, shifts in groups.items()}
        for model, other in zip(models[1:], others, strict=True)
    }


def gains_table(first: str, gains: Gains, names: Mapping[str, str]) -> list[Grid]:
    """The gains over the model `first`, a row for each of the groups in `names`; none where it is alone."""
    if not gains:
        return []

    def entry(found: Difference) -> Entry:
        low, high = (100 * end for end in found.interval)
        return Entry(f"{100 * found.value:+.1f}", f"{low:+.1f} to {high:+.1f}", found.value)

    n = next(iter(gains.values()))[ALL].n
    return [
        Grid(
            caption=f"Points of accuracy over {first}, on average over severities or cut-offs, with 95 % "
            f"intervals paired by image; n = {n}.",
            head=("Difference", *gains),
            rows=[
                (name, tuple(entry(found[group]) for found in gains.values()))
                for group, name in names.items()
            ],
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


__all__ = [
    "ALL",
    "Gains",
    "bars",
    "gains_over_the_first",
    "gains_table",
    "heads",
    "human",
    "looks",
    "one_image",
]
