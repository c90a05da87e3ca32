"""The plots of a study: its metrics as lines and points, with their intervals."""

from collections.abc import Mapping
from typing import Any

from notbugs.app.blocks import Figure
from notbugs.app.charts import chart_drawing
from notbugs.lessons import Chart, Panel, Series


def plot_drawing(plot: Mapping[str, Any], result: Mapping[str, Any], name: str) -> Figure:
    """A plot of the result: accuracies in percent over numbers, or over other accuracies."""
    metrics, intervals = result["metrics"], result["intervals"]

    def place(x: float | str) -> float:
        return 100 * metrics[x] if isinstance(x, str) else x

    series = [
        Series(
            label=label,
            x=[place(x) for x, _ in points],
            y=[100 * metrics[y] for _, y in points],
            low=[100 * intervals[y][0] for _, y in points] if plot["joined"] else (),
            high=[100 * intervals[y][1] for _, y in points] if plot["joined"] else (),
            style="line" if plot["joined"] else "points",
        )
        for label, points in plot["lines"]
    ]
    panel = Panel(title="", x=plot["x"], y=plot["y"], series=series, log=plot["log"])
    chart = Chart(title=plot["title"], caption=plot["caption"], panels=[panel])
    return Figure(title=chart.title, caption=chart.caption, drawing=chart_drawing(chart, name))


__all__ = ["plot_drawing"]
