"""Accuracies of many models as dots, a row a group, where bars would stand too close to be read."""

from collections.abc import Sequence
from typing import Any

import matplotlib

from notbugs.app.figures import Series
from notbugs.app.svg import INK, LINE, MARKERS, MUTED, PAGE, SERIES, as_svg, new_figure, shortened, styled


def accuracy_dots(
    groups: Sequence[str], series: Sequence[Series], *, chance: float, narrow: bool = False, name: str
) -> str:
    """A row of dots for each group, one a model, with its interval; models differ in shape, colour and filling.

    `chance`: dotted. The numbers themselves belong in a table beside it.
    """
    with styled():
        figure, axes = new_figure(4.9 if narrow else 11.0, 1.0 + 0.5 * len(groups))
        handles = []
        for number, one in enumerate(series):
            color = SERIES[number % len(SERIES)]
            look: dict[str, Any] = {
                "color": color,
                "marker": MARKERS[number % len(MARKERS)],
                "markerfacecolor": color if number < len(SERIES) else PAGE,
                "linestyle": "none",
                "markersize": 6.5,
            }
            # Side by side within the row, so that equal numbers do not hide each other.
            shift = 0.6 * ((number + 0.5) / len(series) - 0.5)
            for row, (value, interval) in enumerate(zip(one.values, one.intervals, strict=True)):
                if value is None:
                    continue
                if interval is not None:
                    low, high = interval
                    axes.hlines(row + shift, 100 * low, 100 * high, color=color, linewidth=1.2)
                axes.plot(100 * value, row + shift, **look)
            handles.append(matplotlib.lines.Line2D([], [], label=shortened(one.label), **look))
        for row in range(1, len(groups)):
            axes.axhline(row - 0.5, color=LINE, linewidth=0.6)
        axes.axvline(100 * chance, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
        axes.set_yticks(range(len(groups)), groups)
        axes.set(ylim=(len(groups) - 0.5, -0.5), xlim=(0, 100), xticks=[0, 25, 50, 75, 100])
        axes.set_xlabel("accuracy, %")
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        for label in axes.get_yticklabels():
            label.set_color(INK)
        axes.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2 if narrow else 6, frameon=False,
            borderaxespad=0, borderpad=0.4, handletextpad=0.2,
        )  # fmt: skip
        return as_svg(figure, name)


__all__ = ["accuracy_dots"]
