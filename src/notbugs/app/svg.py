"""How figures are drawn: as SVG text in the colours of the page, the same bytes for the same numbers.

Colours are names of the page's style sheet (`var(--ink)`), so that a figure follows the light or dark page it is
put into; each carries a fallback for a page without one. Text stays text.
"""

import io
import re
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Colours no figure uses otherwise; `as_svg` turns them into the style sheet's names.
INK, MUTED, LINE, PAGE = "#010101", "#020202", "#030303", "#070707"
SERIES = ("#040404", "#050505", "#060606")
MARKERS = "os^Dv"
"""Nothing is told by colour alone: a line or a row of dots has a marker of its own, too."""
_VARIABLES = {
    INK: "var(--ink, #1b1d21)",
    MUTED: "var(--muted, #646a73)",
    LINE: "var(--line, #dcdcd8)",
    PAGE: "var(--page, #fdfdfb)",
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
class Drawing:
    """A figure as SVG text for a wide and for a narrow page, and in words for those who cannot see it."""

    wide: str
    narrow: str
    alt: str


def shortened(text: str, letters: int = 36) -> str:
    """Names of classes and attacks may be of any length; a figure has room for so many letters."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def styled(font_size: float = 10) -> AbstractContextManager[None]:
    """Matplotlib's settings for one figure: `with styled(): ...`."""
    return matplotlib.rc_context({**_SETTINGS, "font.size": font_size})


def blank(width: float, height: float) -> Figure:
    """An empty figure that the page shows through; sizes in inches of 72 points."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    return figure


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one panel."""
    figure = blank(width, height)
    axes = figure.subplots()
    quiet(axes)
    return figure, axes


def quiet(axes: Axes) -> None:
    """No frame and no ticks: a base line, and faint lines to read values by."""
    axes.patch.set_alpha(0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def as_svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element to put into a page: no date, no prolog, ids of its own, colours by name."""
    stream = io.StringIO()
    with warnings.catch_warnings():
        # The page's font has them: names of classes may be written in any script.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
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
    text = re.sub(r"D_(rand|det|NR|R)\b([^<]*)<", _lowered, text)
    # The page names the figure; its parts are drawing.
    text = text.replace("<svg ", '<svg aria-hidden="true" focusable="false" stroke-linejoin="round" ', 1)
    return re.sub(r"\n\s*", "\n", text)


def _lowered(found: re.Match[str]) -> str:
    """The name of a set with its subscript, and back up for what follows: 0.25 of the smaller letters."""
    after = f'<tspan dy="-0.1875em">{found[2]}</tspan>' if found[2] else ""
    return f'D<tspan dy="0.25em" font-size="75%">{found[1]}</tspan>{after}<'


__all__ = [
    "INK",
    "LINE",
    "MUTED",
    "PAGE",
    "SERIES",
    "Drawing",
    "as_svg",
    "blank",
    "new_figure",
    "quiet",
    "shortened",
    "styled",
]
