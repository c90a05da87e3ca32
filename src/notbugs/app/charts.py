"""Charts of lessons, whatever they are about: panels of lines and points, side by side or one below the other."""

import math
from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from notbugs.app.svg import INK, LINE, MARKERS, SERIES, Drawing, as_svg, blank, quiet, styled
from notbugs.lessons import Chart, Panel, Series

COLORS = (*SERIES, INK)
DASHES = (0, (4, 2.5))
FEW = 12
"""Points up to this number are marked one by one, so that nobody takes a line between them for measured."""


def chart_drawing(chart: Chart, name: str) -> Drawing:
    """The chart for a wide page, with its panels in a row, and for a narrow one, with one below the other."""
    panels = len(chart.panels)
    return Drawing(
        wide=_svg(chart, across=panels, size=(11.0, 4.4), name=name),
        narrow=_svg(chart, across=1, size=(4.9, 4.2 * panels), name=f"{name}-narrow"),
        alt=f"{chart.title}. " + " ".join(_words(panel) for panel in chart.panels),
    )


def _svg(chart: Chart, *, across: int, size: tuple[float, float], name: str) -> str:
    with styled():
        figure = blank(*size)
        rows = math.ceil(len(chart.panels) / across)
        places = figure.subplots(rows, across, squeeze=False).flat
        shown: list[list[str]] = []
        for panel, axes in zip(chart.panels, places, strict=True):
            _draw(panel, axes)
            labels = [series.label for series in panel.series if series.label]
            if labels not in shown:  # panels of the same things are told apart by their titles
                axes.legend(frameon=False, fontsize=9, handlelength=1.6, labelspacing=0.3)
            shown.append(labels)
        return as_svg(figure, name)


def _draw(panel: Panel, axes: Axes) -> None:
    quiet(axes)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    number = -1
    for series in panel.series:
        number += bool(series.label)
        _plot(series, axes, number)
    axes.set(xlabel=panel.x, ylabel=panel.y)
    axes.set_title(panel.title, loc="left", fontsize=10)
    for name in panel.log:
        axes.set(**{f"{name}scale": "log"})
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(lambda value, _: _plain(value))
        axis.set_minor_formatter(NullFormatter())
    if panel.equal:
        axes.set_aspect("equal", adjustable="datalim")


def _plot(series: Series, axes: Axes, number: int) -> None:
    color = COLORS[number % len(COLORS)]
    label = series.label or "_"
    are_few = len(series.x) <= FEW
    if series.style == "points":
        axes.plot(
            series.x, series.y, MARKERS[number % len(MARKERS)], color=color, markersize=7 if are_few else 3.2,
            alpha=0.7, markeredgewidth=0, label=label,
        )  # fmt: skip
    else:
        is_dashed = series.style == "dashed"
        axes.plot(
            series.x, series.y, color=color, linewidth=1.5, label=label, markersize=3.5,
            marker="o" if are_few and not is_dashed else "", linestyle=DASHES if is_dashed else "-",
        )  # fmt: skip
    if series.low:
        axes.fill_between(series.x, series.low, series.high, color=color, alpha=0.18, linewidth=0)


def _plain(value: float) -> str:
    """Numbers as people write them: 0.01, 100, 100 000, 10 million."""
    if value >= 1e6:
        return f"{value / 1e6:g} million"
    return f"{value:g}" if value < 10_000 else f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _words(panel: Panel) -> str:
    named = [series for series in panel.series if series.label]
    return f"{panel.title}: " + "; ".join(
        f"{one.label}, {panel.x or 'x'} {_ends(one.x)}, {panel.y or 'y'} {_ends(one.y)}" for one in named
    ) + "."  # fmt: skip


def _ends(values: Iterable[float]) -> str:
    known = list(values)
    return f"{min(known):.3g} to {max(known):.3g}" if known else "none"


__all__ = ["chart_drawing"]
