"""The figures of an audit that are maps: errors by Fourier frequency, answers that go with a region."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from notbugs.app.svg import INK, Drawing, as_svg, blank, shortened, styled
from notbugs.errors import NotbugsError


def map_panels(
    maps: Sequence[tuple[str, Tensor]],
    *,
    extent: tuple[float, float, float, float],
    labels: tuple[str, str],
    unit: str,
    told: str,
    name: str,
    highest: float = 1.0,
) -> Drawing:
    """Maps of values from 0 to `highest` side by side (narrow: one below the other), with one scale for all.

    `extent`: left, right, bottom and top of the first and last cell's outer edges; `labels`: of the two axes; `told`:
    what they show, in words. NaN is left empty. Raises NotbugsError without a map.
    """
    if not maps:
        raise NotbugsError("no map to draw: give at least one")
    count = len(maps)

    def draw(narrow: bool) -> str:
        rows, columns = (count, 1) if narrow else (-(-count // 3), 3)
        with styled():
            figure = blank(4.9 if narrow else 11.0, (4.1 if narrow else 3.6) * rows)
            panels = list(figure.subplots(rows, columns, squeeze=False).flat)
            for axes in panels[count:]:
                axes.set_axis_off()
            for axes, (label, values) in zip(panels, maps, strict=False):
                drawn = _map(axes, values, highest=highest, extent=extent)
                axes.set_title(shortened(label, 30), fontsize=10, color=INK, loc="left")
                axes.set(xlabel=labels[0], ylabel=labels[1])
            scale = figure.colorbar(drawn, ax=panels[:count], shrink=0.8, label=unit)
            scale.outline.set_visible(False)
            scale.ax.tick_params(length=0)
            return as_svg(figure, f"{name}-narrow" if narrow else name)

    return Drawing(wide=draw(False), narrow=draw(True), alt=f"Map in percent. {told}")


def _map(
    axes: Axes, values: Tensor, *, highest: float, extent: tuple[float, float, float, float]
) -> AxesImage:
    axes.patch.set_alpha(0)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return axes.imshow(
        torch.as_tensor(values).mul(100).numpy(),
        cmap="cividis",
        vmin=0,
        vmax=100 * highest,
        extent=extent,
        interpolation="nearest",
        aspect="equal",
    )


__all__ = ["map_panels"]
