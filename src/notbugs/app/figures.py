"""The figures of the reports, each one function that returns SVG text: same numbers, same bytes.

Colours are names of the page's style sheet (`var(--ink)`), so that a figure follows the light or dark page it is
put into; each carries a fallback for a page without one. Text stays text.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Colours no figure uses otherwise; `_svg` turns them into the style sheet's names.
INK, MUTED, LINE = "#010101", "#020202", "#030303"
SERIES = ("#040404", "#050505", "#060606")
_VARIABLES = {
    INK: "var(--ink, #1b1d21)",
    MUTED: "var(--muted, #646a73)",
    LINE: "var(--line, #dcdcd8)",
    SERIES[0]: "var(--first, #1f5fbf)",
    SERIES[1]: "var(--second, #e0902f)",
    SERIES[2]: "var(--third, #a3480f)",
}
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "notbugs",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.parse_math": False,
}


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
    with matplotlib.rc_context(_SETTINGS):
        size = (4.9, 0.5 + 0.92 * len(groups)) if narrow else (11.0, 4.0)
        figure, axes = _figure(*size)
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
        return _svg(figure, name)


def training_curves(history: Sequence[Mapping[str, Any]], *, name: str) -> str:
    """Accuracy on training and validation images (top) and loss (bottom) by epoch."""
    with matplotlib.rc_context({**_SETTINGS, "font.size": 9}):
        figure = Figure(figsize=(3.3, 2.9), layout="constrained")
        FigureCanvasAgg(figure)
        figure.patch.set_alpha(0)
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
            _quiet(axes)
        return _svg(figure, name)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    _quiet(axes)
    return figure, axes


def _quiet(axes: Axes) -> None:
    axes.patch.set_alpha(0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


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
        axes.set_xticks(positions, groups)
        axes.set(xlim=(-0.5, len(groups) - 0.5), ylim=(0, 108), yticks=ticks, ylabel="accuracy, %")
        axes.axhline(100 * chance, **quiet)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        if label.get_text() and not label.get_text().lstrip("−-").isdigit():
            label.set_color(INK)


def _line(axes: Axes, epochs: Sequence[int], values: Sequence[float], color: str, label: str) -> None:
    # A single epoch is a point, not a line.
    axes.plot(epochs, values, color=color, linewidth=1.6, marker="o" if len(epochs) == 1 else "", label=label)


def _svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element to put into a page: no date, no prolog, ids of its own, colours by name."""
    stream = io.StringIO()
    figure.savefig(
        stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # Its style sheet would speak to the whole page.
    text = re.sub(r"<style.*?</style>\s*", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'\s(width|height)="[\d.]+pt"', "", text, count=2)
    used = set(re.findall(r"#([\w.-]+)[\")]", text))
    text = re.sub(
        r'\sid="([^"]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", text
    )
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    text = re.sub(r"font:\s*([\d.]+)px[^;\"]*", r"font-size: \1px", text)
    text = re.sub(r"font-family:[^;\"]*;?\s*", "", text)
    text = re.sub(r"D_(rand|det|NR|R)<", r'D<tspan dy="0.25em" font-size="75%">\1</tspan><', text)
    # The page names the figure; its parts are drawing.
    text = text.replace("<svg ", '<svg aria-hidden="true" focusable="false" stroke-linejoin="round" ', 1)
    return re.sub(r"\n\s*", "\n", text)


__all__ = ["Series", "accuracy_bars", "training_curves"]
