"""The figures of an audit that are lines: accuracy by eps, and how near the nearest adversarial images lie.

Nothing is told by colour alone: lines have markers and dashes, and their values at the audited eps are written out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import matplotlib
from matplotlib.axes import Axes

from notbugs.app.naming import budget_text, norm_text
from notbugs.app.rows import percent
from notbugs.app.svg import INK, MARKERS, MUTED, PAGE, SERIES, Drawing, as_svg, new_figure, shortened, styled
from notbugs.errors import NotbugsError
from notbugs.threats import L2, TOLERANCE, Linf, Threat

POINTS = 400
"""Points of a line: more cannot be told apart."""
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))


@final
@dataclass(frozen=True, kw_only=True)
class Curve:
    """Accuracies, as fractions with their 95 % intervals, by another number: eps in pixel units, say."""

    label: str
    at: Sequence[float]
    values: Sequence[float]
    intervals: Sequence[tuple[float, float]]


def robust_accuracy_curves(curves: Sequence[Curve], *, audited: Threat, name: str) -> Drawing:
    """Robust accuracy against eps, a line with its 95 % band for each model or attack; marked: the audited eps.

    Raises NotbugsError without a curve.

    >>> curve = Curve(label="standard", at=(0, 0.5), values=(0.9, 0.1), intervals=((0.8, 0.95), (0.05, 0.2)))
    >>> robust_accuracy_curves([curve], audited=L2(0.5), name="curves").alt
    'Accuracy in percent by L2 ε; audited: L2 ε = 0.5. standard: 90.0 at 0, 10.0 at 0.5.'
    """
    if not curves:
        raise NotbugsError("no curve to draw: give at least one")
    scale, unit = _unit(audited)

    def draw(narrow: bool) -> str:
        with styled():
            figure, axes = new_figure(*_size(narrow, len(curves)))
            for number, curve in enumerate(curves):
                places, style = [scale * eps for eps in curve.at], _line_style(number)
                low, high = ([100 * one[end] for one in curve.intervals] for end in (0, 1))
                axes.fill_between(places, low, high, color=style["color"], alpha=0.18, linewidth=0)
                axes.plot(
                    places,
                    [100 * v for v in curve.values],
                    label=shortened(curve.label),
                    markersize=5,
                    **style,
                )
            ends = [scale * eps for curve in curves for eps in curve.at]
            _line_axes(axes, max([*ends, scale * _finite(audited.eps)]), f"ε: {unit}", "accuracy, %")
            _mark_audited(axes, audited, scale, [_at(curve, audited.eps) for curve in curves], rising=False)
            _legend(axes, narrow)
            return as_svg(figure, f"{name}-narrow" if narrow else name)

    told = " ".join(f"{curve.label}: {_told(curve, scale)}." for curve in curves)
    where = f"{norm_text(str(audited))} ε{' in 1/255' if scale == 255 else ''}"
    alt = f"Accuracy in percent by {where}; audited: {budget_text(str(audited))}. {told}"
    return Drawing(wide=draw(False), narrow=draw(True), alt=alt)


def distance_curves(distances: Mapping[str, Sequence[float]], *, audited: Threat, name: str) -> Drawing:
    """How far the nearest adversarial image found lies: for each distance the share of images that have one so near.

    `distances`, by model or attack: 0 for an image that was wrong before, inf where none was found, in the norm of
    `audited`. Raises NotbugsError without any.

    >>> distance_curves({"standard": [0.0, 0.2, 0.4, float("inf")]}, audited=L2(0.3), name="near").alt[-77:]
    'standard: 25.0 wrong already, 50.0 within L2 ε = 0.3, 25.0 without any found.'
    """
    scale, unit = _unit(audited)
    ordered = {label: sorted(values) for label, values in distances.items() if len(values) > 0}
    if not ordered:
        raise NotbugsError("no distances to draw: audit at least one image")

    def share(label: str, limit: float, *, below: bool = False) -> float:
        # Most adversarial images lie on the edge of the ball, some a rounding outside: they count, as in an audit.
        values = ordered[label]
        return sum(v < limit if below else v <= limit + TOLERANCE for v in values) / len(values)

    def draw(narrow: bool) -> str:
        with styled():
            figure, axes = new_figure(*_size(narrow, len(ordered)))
            ends = [v for values in ordered.values() for v in values if math.isfinite(v)]
            right = scale * max([*ends, _finite(audited.eps)])
            for number, (label, values) in enumerate(ordered.items()):
                places, shares = _steps([scale * v for v in values], right * 1.04)
                style = {**_line_style(number), "markevery": 0.15}
                axes.plot(
                    places, shares, drawstyle="steps-post", markersize=5, label=shortened(label), **style
                )
            _line_axes(axes, right, f"distance: {unit}", "images with one so near, %")
            _mark_audited(axes, audited, scale, [share(label, audited.eps) for label in ordered], rising=True)
            _legend(axes, narrow)
            return as_svg(figure, f"{name}-narrow" if narrow else name)

    told = " ".join(
        f"{label}: {percent(share(label, 0.0))} wrong already, {percent(share(label, audited.eps))} within "
        f"{budget_text(str(audited))}, {percent(1 - share(label, math.inf, below=True))} without any found."
        for label in ordered
    )
    what = f"by the {norm_text(str(audited))} distance of the nearest adversarial image found"
    alt = f"Share of images, in percent, {what}. {told}"
    return Drawing(wide=draw(False), narrow=draw(True), alt=alt)


def accuracy_curves(curves: Sequence[Curve], *, xlabel: str, chance: float, name: str) -> Drawing:
    """Accuracy against any other number (`Curve.at`), a line with its 95 % band for each model; dotted: chance.

    Raises NotbugsError without a curve.

    >>> curve = Curve(label="standard", at=(2, 8), values=(0.3, 0.9), intervals=((0.2, 0.4), (0.8, 0.95)))
    >>> accuracy_curves([curve], xlabel="cut-off", chance=0.1, name="low").alt
    'Accuracy in percent by cut-off. standard: 30.0 at 2, 90.0 at 8.'
    """
    if not curves:
        raise NotbugsError("no curve to draw: give at least one")

    def draw(narrow: bool) -> str:
        with styled():
            figure, axes = new_figure(*_size(narrow, len(curves)))
            for number, curve in enumerate(curves):
                style = _line_style(number)
                low, high = ([100 * one[end] for one in curve.intervals] for end in (0, 1))
                axes.fill_between(curve.at, low, high, color=style["color"], alpha=0.18, linewidth=0)
                shares = [100 * value for value in curve.values]
                axes.plot(curve.at, shares, label=shortened(curve.label), markersize=5, **style)
            _line_axes(axes, max(at for curve in curves for at in curve.at), xlabel, "accuracy, %")
            axes.axhline(100 * chance, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
            _legend(axes, narrow)
            return as_svg(figure, f"{name}-narrow" if narrow else name)

    told = " ".join(f"{curve.label}: {_told(curve, 1)}." for curve in curves)
    return Drawing(wide=draw(False), narrow=draw(True), alt=f"Accuracy in percent by {xlabel}. {told}")


def _told(curve: Curve, scale: float) -> str:
    pairs = zip(curve.at, curve.values, strict=True)
    return ", ".join(f"{percent(value)} at {scale * at:.3g}" for at, value in pairs)


def _size(narrow: bool, lines: int) -> tuple[float, float]:
    return (4.9, 3.2 + 0.2 * lines) if narrow else (11.0, 4.0)


def _unit(threat: Threat) -> tuple[float, str]:
    """What eps is multiplied by to be read, and what it then says."""
    match threat:
        case Linf():
            return 255.0, "largest change of a value, in 1/255"
        case L2():
            return 1.0, "L2 length of the change, pixel values in [0, 1]"
    return 1.0, f"{norm_text(str(threat))} size of the change, pixel values in [0, 1]"


def _finite(eps: float) -> float:
    return eps if math.isfinite(eps) else 0.0


def _line_style(number: int) -> dict[str, Any]:
    color, marker = SERIES[number % len(SERIES)], MARKERS[number % len(SERIES)]
    dash = _DASHES[number // len(SERIES) % len(_DASHES)]
    return {"color": color, "marker": marker, "linestyle": dash, "linewidth": 1.8}


def _steps(values: Sequence[float], right: float) -> tuple[list[float], list[float]]:
    """Places and shares (in percent) of a cumulative distribution, thinned out where there are many."""
    finite = [
        (value, 100 * (rank + 1) / len(values)) for rank, value in enumerate(values) if math.isfinite(value)
    ]
    every = max(1, math.ceil(len(finite) / POINTS))
    thinned = [*finite[every - 1 :: every], *finite[-1:]]
    places, shares = [0.0, *(v for v, _ in thinned)], [0.0, *(share for _, share in thinned)]
    return [*places, right], [*shares, shares[-1]]


def _line_axes(axes: Axes, right: float, xlabel: str, ylabel: str) -> None:
    axes.set(
        xlim=(0, 1.04 * right or 1.0),
        ylim=(0, 103),
        yticks=[0, 25, 50, 75, 100],
        xlabel=xlabel,
        ylabel=ylabel,
    )
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6))


def _at(curve: Curve, eps: float) -> float | None:
    """The curve's value at `eps`, if it was measured there."""
    near = [v for e, v in zip(curve.at, curve.values, strict=True) if math.isclose(e, eps, rel_tol=1e-6)]
    return near[0] if near else None


def _mark_audited(
    axes: Axes, audited: Threat, scale: float, values: Sequence[float | None], *, rising: bool
) -> None:
    """A line at the audited eps, and the values there: above their lines, moved apart so that all can be read."""
    if not math.isfinite(audited.eps):
        return
    place, right = scale * audited.eps, axes.get_xlim()[1]
    axes.axvline(place, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
    axes.annotate(
        f"audited: {budget_text(str(audited))}", (place, 1.0), (0, 3), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right" if place > 0.5 * right else "left", va="bottom", color=MUTED,
    )  # fmt: skip
    is_left = place > 0.88 * right or (rising and place > 0.12 * right)
    lowest = 4.0
    for value in sorted(100 * one for one in values if one is not None):
        height = max(value + 4, lowest)
        axes.annotate(
            f"{value:.1f}", (place, height), (-6 if is_left else 6, 0), textcoords="offset points",
            ha="right" if is_left else "left", va="center", color=INK,
            bbox={"facecolor": PAGE, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        )  # fmt: skip
        lowest = height + 6.5


def _legend(axes: Axes, narrow: bool) -> None:
    """Above the panel, and above the mark of the audited eps there."""
    assert axes.figure is not None
    raised = matplotlib.transforms.ScaledTranslation(0, 16 / 72, axes.figure.dpi_scale_trans)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), bbox_transform=axes.transAxes + raised, ncols=1 if narrow else 4,
        frameon=False, borderaxespad=0, borderpad=0.4,
    )  # fmt: skip


__all__ = ["Curve", "accuracy_curves", "distance_curves", "robust_accuracy_curves"]
