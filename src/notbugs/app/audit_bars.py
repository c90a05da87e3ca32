"""The figures of an audit that are bars: which attack felled how many images, and accuracy by class.

Nothing is told by colour alone: every part of a bar has a row, a name and a number of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from matplotlib.axes import Axes

from notbugs.app.figures import Series, accuracy_bars
from notbugs.app.rows import percent
from notbugs.app.svg import INK, LINE, MUTED, SERIES, Drawing, as_svg, new_figure, shortened, styled
from notbugs.errors import NotbugsError

SHOWN = 20
"""Classes that a figure has room for."""


def felled_bars(wrong: int, felled: Sequence[tuple[str, int]], standing: int, *, name: str) -> Drawing:
    """What became of all images: a stacked bar, and below it each of its parts with name and number, in order.

    `wrong`: misclassified without attack; `felled`: for each attack the images that fell to it first; `standing`:
    the rest. Raises NotbugsError without images.

    >>> felled_bars(10, [("pgd", 30), ("pgd-margin", 5)], 55, name="felled").alt
    'Of 100 images 10 are wrong without attack, 30 fall to pgd, 5 fall to pgd-margin, 55 withstand all.'
    """
    total = wrong + sum(count for _, count in felled) + standing
    if total == 0:
        raise NotbugsError("no images, nothing to draw: audit at least one")
    parts = [
        ("wrong without attack", wrong, MUTED),
        *((shortened(attack), count, SERIES[1 + i % 2]) for i, (attack, count) in enumerate(felled)),
        ("withstand all attacks", standing, SERIES[0]),
    ]
    ends = [100 * end / total for end in accumulate(count for _, count, _ in parts)]

    def draw(narrow: bool) -> str:
        with styled():
            width, row = (4.9, 0.46) if narrow else (11.0, 0.36)
            figure, axes = new_figure(width, 0.5 + row * (len(parts) + 1))
            thickness = 0.42 if narrow else 0.62
            for number, ((_, count, color), end) in enumerate(zip(parts, ends, strict=True), start=1):
                size = 100 * count / total
                gap = min(0.12, size / 4)  # neighbours of the stack stay apart without a line between them
                axes.barh(0, size - 2 * gap, thickness, left=end - size + gap, color=color)
                axes.barh(number, size, thickness, left=end - size, color=color)
                # Each part begins where the one above it ends; a part without images is that line alone.
                half, is_last = thickness / 2, narrow or number == len(parts)
                begin, until = number + (half if count else -half), number + (half if is_last else 1 - half)
                axes.vlines(end, begin, until, color=MUTED, linewidth=0.6)
            names = [f"all {total} images", *(label for label, _, _ in parts)]
            counts = ["", *(f"{count}  ({percent(count / total)} %)" for _, count, _ in parts)]
            _name_parts(axes, names, counts, thickness, narrow)
            return as_svg(figure, f"{name}-narrow" if narrow else name)

    told = "".join(f"{count} fall to {attack}, " for attack, count in felled)
    alt = f"Of {total} images {wrong} are wrong without attack, {told}{standing} withstand all."
    return Drawing(wide=draw(False), narrow=draw(True), alt=alt)


def class_bars(classes: Sequence[str], series: Sequence[Series], *, name: str, shown: int = SHOWN) -> Drawing:
    """Accuracies by class: the bars of `series` (clean first, robust last) side by side.

    Of more than `shown` classes those that the last series gets wrong most often, worst first.

    >>> clean = Series(label="Clean", values=[0.9, 0.8], intervals=[None, None], references=[None, None])
    >>> class_bars(["cat", "dog"], [clean], name="classes").alt
    'Bar chart of accuracy in percent by class. cat: clean 90.0. dog: clean 80.0.'
    """
    kept = list(range(len(classes)))
    if len(kept) > shown:
        last = series[-1].values
        kept = sorted(kept, key=lambda row: math.inf if (value := last[row]) is None else value)[:shown]
    picked = [
        replace(
            one,
            values=[one.values[row] for row in kept],
            intervals=[one.intervals[row] for row in kept],
            references=[one.references[row] for row in kept],
        )
        for one in series
    ]
    names, chance = [shortened(classes[row], 24) for row in kept], 1 / max(1, len(classes))
    told = " ".join(
        f"{classes[row]}: "
        + ", ".join(
            f"{one.label.lower()} {percent(value)}"
            for one in series
            if (value := one.values[row]) is not None
        )
        + "."
        for row in kept
    )
    part = f", the {shown} worst of {len(classes)}" if len(kept) < len(classes) else ""
    return Drawing(
        wide=accuracy_bars(names, picked, chance=chance, name=name),
        narrow=accuracy_bars(names, picked, chance=chance, narrow=True, name=f"{name}-narrow"),
        alt=f"Bar chart of accuracy in percent by class{part}. {told}",
    )


def _name_parts(
    axes: Axes, names: Sequence[str], counts: Sequence[str], thickness: float, narrow: bool
) -> None:
    """Names to the left of the bars and numbers to the right; narrow: both above, where there is room."""
    axes.set(xlim=(0, 100), ylim=(len(names) - 0.4, -0.6), xticks=[0, 25, 50, 75, 100], xlabel="images, %")
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_yticks([])
    if not narrow:
        axes.set_yticks(range(len(names)), names, color=INK)
    for row, (label, count) in enumerate(zip(names, counts, strict=True)):
        if narrow:
            above: dict[str, Any] = {"textcoords": "offset points", "va": "bottom", "fontsize": 9}
            axes.annotate(label, (0, row - thickness / 2), (0, 1.5), ha="left", **above)
            axes.annotate(count, (100, row - thickness / 2), (0, 1.5), ha="right", **above)
        else:
            axes.annotate(count, (100, row), (78, 0), textcoords="offset points", va="center", ha="right")


__all__ = ["class_bars", "felled_bars"]
