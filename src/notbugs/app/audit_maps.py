"""The figures of an audit that are maps: errors by Fourier frequency, answers that go with a region."""

from collections.abc import Sequence

import matplotlib
import torch
from torch import Tensor

from notbugs.app.svg import INK, as_svg, blank, shortened, styled
from notbugs.errors import NotbugsError


def map_panels(
    maps: Sequence[tuple[str, Tensor]],
    *,
    extent: tuple[float, float, float, float],
    labels: tuple[str, str],
    highest: float,
    unit: str,
    narrow: bool,
    name: str,
) -> str:
    """Maps of values from 0 to `highest` side by side (narrow: one below the other), with one scale for all.

    `extent`: left, right, bottom and top of the first and last cell's outer edges; `labels`: of the two axes. NaN is
    left empty. Raises NotbugsError without a map.
    """
    if not maps:
        raise NotbugsError("no map to draw: give at least one")
    count = len(maps)
    rows, columns = (count, 1) if narrow else (-(-count // 3), 3)
    with styled():
        figure = blank(4.9 if narrow else 11.0, (4.1 if narrow else 3.6) * rows)
        panels = figure.subplots(rows, columns, squeeze=False)
        drawn = None
        for place, axes in enumerate(panels.flat):
            axes.patch.set_alpha(0)
            if place >= count:
                axes.set_axis_off()
                continue
            label, values = maps[place]
            drawn = axes.imshow(
                torch.as_tensor(values).mul(100).numpy(),
                cmap="cividis",
                vmin=0,
                vmax=100 * highest,
                extent=extent,
                interpolation="nearest",
                aspect="equal",
            )
            axes.set_title(shortened(label, 30), fontsize=10, color=INK, loc="left")
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
            axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4, integer=True))
            axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4, integer=True))
            axes.set(xlabel=labels[0], ylabel=labels[1])
        assert drawn is not None
        scale = figure.colorbar(drawn, ax=list(panels.flat)[:count], shrink=0.8, label=unit)
        scale.outline.set_visible(False)
        scale.ax.tick_params(length=0)
        return as_svg(figure, name)


__all__ = ["map_panels"]
