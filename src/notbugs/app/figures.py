"""The figures of studies and trainings, each one function that returns SVG text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import matplotlib
from matplotlib.axes import Axes

from notbugs.app.svg import INK, LINE, MUTED, SERIES, as_svg, blank, new_figure, quiet, styled


@final
@dataclass(frozen=True, kw_only=True)
class Series:
    """One bar per group: a value (None: not measured), its interval, and its reference, all as fractions."""

    label: str
    values: Sequence[float | None]
    intervals: Sequence[tuple[float, float] | None]
    references: Sequence[float | None]


def accuracy_bars(
    groups: Sequence[str], series: Sequence[Series], *, chance: float, narrow: bool = False, name: str
) -> str:
    """Figure 2 of Ilyas et al. 2019 for these models: bars of clean and robust accuracy with their intervals.

    `narrow` lays the bars flat, for a phone. A short line across a bar is its reference (paper or closed form).
    """
    with styled():
        size = (4.9, 0.5 + (0.92 + 0.24 * (len(series) - 3)) * len(groups)) if narrow else (11.0, 4.0)
        figure, axes = new_figure(*size)
        thickness = 0.8 / max(1, len(series))
        for number, one in enumerate(series):
            for group in range(len(groups)):
                if one.values[group] is not None:
                    at = group + (number - (len(series) - 1) / 2) * thickness
                    _bar(axes, one, group, at, thickness, SERIES[number % len(SERIES)], narrow)
        _bar_axes(axes, groups, chance, narrow)
        handles = [
            matplotlib.patches.Patch(color=SERIES[i % len(SERIES)], label=one.label)
            for i, one in enumerate(series)
        ]
        axes.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=1 if narrow else len(series),
            frameon=False, handlelength=0.9, handleheight=0.9, borderaxespad=0, borderpad=0.4,
        )  # fmt: skip
        return as_svg(figure, name)


def training_curves(history: Sequence[Mapping[str, Any]], *, name: str) -> str:
    """Accuracy on training and validation images (top) and loss (bottom) by epoch."""
    with styled(font_size=9):
        figure = blank(3.3, 2.9)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        epochs = [row["epoch"] for row in history]
        _line(top, epochs, [100 * row["accuracy"] for row in history], SERIES[1], "training")
        validation = [row.get("validation_accuracy") for row in history]
        if history and all(value is not None for value in validation):
            _line(top, epochs, [100 * value for value in validation], SERIES[0], "validation")  # type: ignore[operator]
        _line(bottom, epochs, [row["loss"] for row in history], MUTED, "loss")
        top.set(ylim=(0, 103), yticks=[0, 50, 100], ylabel="accuracy, %")
        bottom.set(xlabel="epoch", ylabel="loss")
        bottom.set_ylim(bottom=0)
        bottom.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4, integer=True))
        bottom.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(2))
        for axes in (top, bottom):
            quiet(axes)
        return as_svg(figure, name)


def stage_curves(history: Sequence[Mapping[str, Any]], key: str) -> tuple[str, str]:
    """The training curves of a stage, figure and words; empty where nothing was trained."""
    if not history:
        return "", ""
    last = history[-1]
    held_out = last.get("validation_accuracy")
    alt = f"Training curves over {len(history)} epochs, ending at loss {last['loss']:.3f}, training accuracy "
    alt += f"{100 * last['accuracy']:.1f} %"
    alt += f", validation accuracy {100 * held_out:.1f} %." if held_out is not None else "."
    return training_curves(history, name=f"curves-{key.replace('_', '-')}"), alt


def _bar(axes: Axes, one: Series, group: int, at: float, thickness: float, color: str, narrow: bool) -> None:
    value = 100 * float(one.values[group] or 0)
    low, high = (100 * end for end in one.intervals[group] or (value / 100, value / 100))
    reference = one.references[group]
    width = 0.88 * thickness
    ends = [[max(0.0, value - low)], [max(0.0, high - value)]]
    whisker: dict[str, Any] = {"fmt": "none", "ecolor": INK, "elinewidth": 0.9, "capsize": 2, "capthick": 0.9}
    text = f"{value:.0f}" if value >= 0.95 or value == 0 else f"{value:.1f}"
    if narrow:
        axes.barh(at, value, width, color=color)
        axes.errorbar(value, at, xerr=ends, **whisker)
        axes.annotate(
            text,
            (_label_at(high, reference), at),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
        if reference is not None:
            axes.vlines(100 * reference, at - width / 2, at + width / 2, color=MUTED, linewidth=2)
    else:
        axes.bar(at, value, width, color=color)
        axes.errorbar(at, value, yerr=ends, **whisker)
        axes.annotate(
            text,
            (at, _label_at(high, reference)),
            (0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=10,
        )
        if reference is not None:
            axes.hlines(100 * reference, at - width / 2, at + width / 2, color=MUTED, linewidth=2)


def _label_at(high: float, reference: float | None) -> float:
    """Above the whisker, and above the reference where that lies just there."""
    mark = -1.0 if reference is None else 100 * reference
    return mark if high <= mark < high + 8 else high


def _bar_axes(axes: Axes, groups: Sequence[str], chance: float, narrow: bool) -> None:
    ticks, positions = [0, 25, 50, 75, 100], range(len(groups))
    quiet: dict[str, Any] = {"color": MUTED, "linewidth": 0.9, "linestyle": (0, (2, 3))}
    if narrow:
        axes.set_yticks(
            positions, [group.replace(" of ", "\nof ").replace(" model", "\nmodel") for group in groups]
        )
        axes.set(ylim=(len(groups) - 0.5, -0.5), xlim=(0, 112), xticks=ticks)
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        axes.axvline(100 * chance, **quiet)
        axes.set_xlabel("accuracy, %")
    else:
        # About 6 points a letter: where neighbours would meet, all are turned.
        room = 11.0 * 72 / max(1, len(groups))
        is_crowded = any(3 * (len(one) + len(other)) > room - 6 for one, other in pairwise(groups))
        axes.set_xticks(positions, groups)
        if is_crowded:
            for label in axes.get_xticklabels():
                label.set(rotation=30, ha="right", rotation_mode="anchor")
        axes.set(xlim=(-0.5, len(groups) - 0.5), ylim=(0, 108), yticks=ticks, ylabel="accuracy, %")
        axes.axhline(100 * chance, **quiet)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        if label.get_text() and not label.get_text().lstrip("−-").isdigit():
            label.set_color(INK)


def _line(axes: Axes, epochs: Sequence[int], values: Sequence[float], color: str, label: str) -> None:
    # A single epoch is a point, not a line.
    axes.plot(epochs, values, color=color, linewidth=1.6, marker="o" if len(epochs) == 1 else "", label=label)


__all__ = ["Series", "accuracy_bars", "stage_curves", "training_curves"]
