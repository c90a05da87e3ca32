"""What went wrong in the user's terms: what was given, what was expected, how to fix it."""

import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from typing import Any

_ELSEWHERE = "in another process: "
_LIBRARIES = ("site-packages", "dist-packages", "/lib/python")


class NotbugsError(ValueError):
    """A mistake the user can mend. Its message is one line: what was given, what was expected, the fix."""


class SearchMetNaNError(NotbugsError):
    """A search cannot go on: the model's answer or its gradient is not a number."""

    def __init__(self) -> None:
        super().__init__("the search met NaN: the model's output or gradient is not finite on these images")


def unknown(kind: str, given: str, known: Iterable[str]) -> NotbugsError:
    """The error for a name that is not on a list, with the nearest name on it.

    >>> str(unknown("class", "dgo", ["cat", "dog"]))
    "unknown class 'dgo'; did you mean 'dog'? (known: cat, dog)"
    """
    names = list(known)
    near = get_close_matches(given, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return NotbugsError(f"unknown {kind} {given!r}{hint} (known: {', '.join(names)})")


def require_positive(name: str, value: float) -> None:
    """Raise unless value > 0 (NaN is not, nor is text)."""
    require_kind(name, value, Real)
    if not value > 0:
        raise NotbugsError(f"{name} must be positive, got {value}")


def require_kind(name: str, value: Any, *kinds: type) -> None:
    """Raise unless the value is of one of these kinds.

    >>> require_kind("tested", "many", int)
    Traceback (most recent call last):
    notbugs.errors.NotbugsError: tested must be int, got 'many'
    """
    if not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise NotbugsError(f"{name} must be {expected}, got {repr(value)[:80]}")


def users_place(error: BaseException) -> str:
    """The file, line and function of the user's in which an error arose, or whose call of a library did it; empty if
    it was we who called. That of another process says it by a note (`note_users_place`).
    """
    ours = Path(__file__).parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if ours in Path(frame.filename).parents:
            break
        if not frame.filename.startswith("<") and not any(part in frame.filename for part in _LIBRARIES):
            return f"{frame.filename}, line {frame.lineno}, in {frame.name}"
    notes = [note for note in getattr(error, "__notes__", ()) if str(note).startswith(_ELSEWHERE)]
    return notes[0].removeprefix(_ELSEWHERE) if notes else ""


def note_users_place(error: BaseException) -> None:
    """Before an error leaves its process: its traceback stays here."""
    if place := users_place(error):
        error.add_note(_ELSEWHERE + place)
