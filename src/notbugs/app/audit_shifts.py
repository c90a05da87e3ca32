"""The sections of an audit's report about shifts: corruptions, filters and noise."""

from collections.abc import Mapping

from notbugs.app.audit_curves import Curve, accuracy_curves
from notbugs.app.audit_filters import untouched
from notbugs.app.audited_models import COMPARES, Page, whose
from notbugs.app.blocks import Block, Figure, Grid, Section
from notbugs.app.rows import percent, points
from notbugs.app.shift_blocks import (
    ALL,
    Gains,
    bars,
    gains_over_the_first,
    gains_table,
    heads,
    human,
    looks,
    one_image,
)
from notbugs.jobs import shift_groups

KINDS = {
    "filter.low": ("Low-pass filtered", "only patterns coarser than the cut-off are left"),
    "filter.high": ("High-pass filtered", "only patterns finer than the cut-off are left"),
    "noise.low": ("Low-frequency noise", "noise of equal L2 length, of patterns coarser than the cut-off"),
    "noise.high": ("High-frequency noise", "noise of equal L2 length, of patterns finer than the cut-off"),
}


def corruption_section(page: Page) -> Section:
    """Accuracy under every corruption, its mean and its worst case."""
    models = page.having("corruption")
    groups = shift_groups(models[0].stages["corruption"])
    draws = len(models[0].results["corruption"]["config"]["seeds"])
    told = []
    for model in models:
        worst = min(groups, key=lambda name: model.value("corruption", f"{name}.mean"))
        told.append(
            f"{whose(model.label, models)}{percent(model.value('corruption', 'mean'))} % under the {len(groups)} "
            f"corruptions on average; least under {human(worst)}, "
            f"{percent(model.value('corruption', f'{worst}.mean'))} %."
        )
    gains = gains_over_the_first(models, "corruption")
    told += _told(models[0].label, gains)
    grid = Grid(
        caption=f"Accuracy in percent with 95 % intervals. Mean: over {_severities(groups)}"
        f"{f' and {draws} draws' if draws > 1 else ''}; worst: right under every one of them, the shift as an "
        "adversary sees it who may choose.",
        head=("Corruption", *heads(models, "mean"), *heads(models, "worst")),
        rows=[
            (
                human(name),
                tuple(
                    model.entry("corruption", f"{name}.{what}")
                    for what in ("mean", "worst")
                    for model in models
                ),
            )
            for name in groups
        ],
    )
    keys = [f"{name}.mean" for name in groups]
    figure = Figure(
        title="Corruption by corruption",
        caption="Mean accuracy over the severities. Whiskers: 95 % intervals; dotted: chance.",
        drawing=bars([human(name) for name in groups], models, "corruption", keys, page, "corruptions"),
    )
    middle = {human(name): list(shifts.values())[len(shifts) // 2] for name, shifts in groups.items()}
    shown = one_image(page.originals, "One image, corrupted", middle)
    intro = (
        "The common corruptions of Hendrycks & Dietterich (2019), which do not look at the model, with the "
        "parameters of CIFAR-10-C for small images and of ImageNet-C for larger ones."
    )
    blocks: list[Block] = [
        figure,
        grid,
        *gains_table(models[0].label, gains, {**{name: human(name) for name in groups}, ALL: ALL}),
        *looks(shown),
    ]
    return Section(
        key="corruption",
        title="Corruptions",
        intro=intro,
        findings=told,
        blocks=blocks,
    )


def frequency_figures(page: Page) -> list[Block]:
    """Accuracy by the cut-off of filters and of noise."""
    if not page.having("frequency"):
        return []
    models = untouched(page)
    groups = shift_groups(models[0].stages["frequency"])
    shown: list[Block] = []
    for group, (title, what) in KINDS.items():
        cuts = list(groups[group])
        curves = [
            Curve(
                label=model.label,
                at=[float(cut) for cut in cuts],
                values=[model.value("frequency", f"{group}.{cut}") for cut in cuts],
                intervals=[model.interval("frequency", f"{group}.{cut}") for cut in cuts],
            )
            for model in models
        ]
        shown.append(
            Figure(
                title=title,
                caption=f"{what[0].upper()}{what[1:]}. Band: 95 % intervals; dotted: chance.",
                drawing=accuracy_curves(
                    curves,
                    xlabel="cut-off, cycles per image",
                    chance=1 / page.classes,
                    name=group.replace(".", "-"),
                ),
            )
        )
    strips = []
    for group, (title, what) in KINDS.items():
        texts = {f"{cut} cycles": text for cut, text in groups[group].items()}
        strips += one_image(page.originals, title, texts, note=what)
    names = {group: title for group, (title, _) in KINDS.items()}
    gains = gains_over_the_first(models, "frequency")
    return [*shown, *gains_table(models[0].label, gains, names), *looks(strips)]


def _told(first: str, gains: Gains) -> list[str]:
    """Where another model gains and loses most against the first one."""
    told = []
    for label, found in gains.items():
        groups = [group for group in found if group != ALL]
        best, worst = (pick(groups, key=lambda group: found[group].value) for pick in (max, min))
        told.append(
            f"{COMPARES}{first}, {label} has {points(found[ALL])} on average: "
            f"most under {human(best)}, {points(found[best])}; least under {human(worst)}, {points(found[worst])}."
        )
    return told


def _severities(groups: Mapping[str, Mapping[str, str]]) -> str:
    found = list(next(iter(groups.values())))
    return f"severity {found[0]}" if len(found) == 1 else f"severities {found[0]} to {found[-1]}"


__all__ = ["corruption_section", "frequency_figures"]
