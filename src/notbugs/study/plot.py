"""The plots of a study: which of its metrics against what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final


@final
@dataclass(frozen=True, kw_only=True)
class Plot:
    """Metrics as lines: each a label and its points, (x, metric), where x is a number or another metric.

    `log`: the axes that are logarithmic. `joined`: whether the points of a line belong together in order.
    """

    title: str
    caption: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float | str, str]]]
    log: Literal["", "x"] = ""
    joined: bool = True

    def metrics(self) -> tuple[str, ...]:
        return tuple(
            name
            for points in self.lines.values()
            for pair in points
            for name in pair
            if isinstance(name, str)
        )


__all__ = ["Plot"]
