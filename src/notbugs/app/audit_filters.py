"""What is learned from some frequencies alone: models trained on filtered images, tested on those and others."""

from collections.abc import Sequence

from notbugs.app.audit_curves import Curve, accuracy_curves
from notbugs.app.audited_models import COMPARES, Audited, Page
from notbugs.app.blocks import Block, Figure, Grid
from notbugs.app.rows import percent
from notbugs.jobs import shift_groups
from notbugs.shifts import Band

_SAID = {"filter.low": "coarser", "filter.high": "finer"}


def learned(page: Page, group: str) -> list[tuple[float, Audited]]:
    """The models that were trained on images under the filters of a group that were tested, by cut-off."""
    found = []
    for model in page.having("frequency"):
        band, tested = model.trained_under, shift_groups(model.stages["frequency"])[group]
        if isinstance(band, Band) and str(band) in tested.values():
            found.append((band.high if group == "filter.low" else band.low, model))
    return sorted(found, key=lambda one: one[0])


def untouched(page: Page) -> list[Audited]:
    """The models that saw their training images unfiltered; all, if none did."""
    models = page.having("frequency")
    return [model for model in models if not isinstance(model.trained_under, Band)] or list(models)


def learned_said(page: Page) -> list[str]:
    """The ends of the scale: the finest patterns and the coarsest that something was learned from."""
    first, told = untouched(page)[0], []
    if isinstance(first.trained_under, Band):
        return []
    for group, which in (("filter.high", -1), ("filter.low", 0)):
        found = learned(page, group)
        if found:
            cut, model = found[which]
            key = f"{group}.{cut:g}"
            told.append(
                f"{COMPARES}{first.label}, which gets {percent(first.value('frequency', key))} % right of images "
                f"that hold only what is {_SAID[group]} than {cut:g} cycles, a model trained on such images gets "
                f"{percent(model.value('frequency', key))} %."
            )
    return told


def learned_blocks(page: Page) -> list[Block]:
    """Trained and tested on the same frequencies (figure 1 of Gilmer & Hendrycks 2019), and on all the others."""
    groups = {group: found for group in _SAID if (found := learned(page, group))}
    if not groups:
        return []
    first, curves = untouched(page)[0], []
    for group, found in groups.items():
        keys = [(cut, f"{group}.{cut:g}") for cut, _ in found]
        kind = group.replace("filter.", "") + "-pass"
        curves.append(_curve(f"{kind}, trained on it", keys, [model for _, model in found]))
        curves.append(_curve(f"{kind}, {first.label}", keys, [first] * len(keys)))
    figure = Figure(
        title="Trained and tested on the same frequencies",
        caption="Each point of the lines “trained on it” is a model of its own, trained on images that hold only "
        "what is coarser (low-pass) or finer (high-pass) than the cut-off, and tested on such images. Band: 95 % "
        "intervals; dotted: chance.",
        drawing=accuracy_curves(
            curves, xlabel="cut-off, cycles per image", chance=1 / page.classes, name="learned"
        ),
    )
    tested = shift_groups(first.stages["frequency"])
    taught = {str(model.trained_under) for model in page.having("frequency")}
    tests = [(group, cut) for group in _SAID for cut, text in tested[group].items() if text in taught]
    grid = Grid(
        caption="What was learned from some frequencies, tested on others: accuracy in percent with 95 % intervals.",
        head=("Trained on", *(f"{group.replace('filter.', '')} {cut}" for group, cut in tests)),
        rows=[
            (model.label, tuple(model.entry("frequency", f"{group}.{cut}") for group, cut in tests))
            for model in (first, *(one for one in page.having("frequency") if one is not first))
        ],
    )
    return [figure, grid]


def _curve(label: str, keys: Sequence[tuple[float, str]], models: Sequence[Audited]) -> Curve:
    pairs = list(zip(keys, models, strict=True))
    return Curve(
        label=label,
        at=[cut for cut, _ in keys],
        values=[model.value("frequency", key) for (_, key), model in pairs],
        intervals=[model.interval("frequency", key) for (_, key), model in pairs],
    )


__all__ = ["learned_blocks", "learned_said", "untouched"]
