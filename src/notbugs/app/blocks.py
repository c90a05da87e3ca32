"""What a section of a report is made of: tables, figures, strips of pictures, for the templates to print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from notbugs.app.pictures import Strip
from notbugs.app.rows import percent
from notbugs.app.svg import Drawing


@final
@dataclass(frozen=True)
class Entry:
    """A cell: its text, what stands small below it, and the number that a column is sorted by."""

    text: str
    note: str = ""
    order: float | None = None


def measured(metrics: Mapping[str, float], intervals: Mapping[str, Sequence[float]], key: str) -> Entry:
    """An accuracy in percent with its interval; empty where it was not measured."""
    if key not in metrics:
        return Entry("")
    note = ""
    if key in intervals:
        low, high = intervals[key]
        note = f"{percent(low)}–{percent(high)}"
    return Entry(percent(metrics[key]), note, metrics[key])


@final
@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table whose columns can be sorted: a heading for each column, and rows of a name and its entries.

    Under `folded`, if it has a text, the table waits to be opened.
    """

    kind: ClassVar[str] = "grid"
    caption: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Entry]]]
    folded: str = ""


@final
@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure under a heading of its own."""

    kind: ClassVar[str] = "figure"
    title: str
    caption: str
    drawing: Drawing


@final
@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Strips of images under a heading."""

    kind: ClassVar[str] = "strips"
    title: str
    strips: Sequence[Strip]


Block = Grid | Figure | Pictures


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page: what it is about, what was found in sentences, and what shows it."""

    key: str
    title: str
    intro: str
    findings: Sequence[str]
    blocks: Sequence[Block]


__all__ = ["Block", "Entry", "Grid", "Figure", "Pictures", "Section", "measured"]
