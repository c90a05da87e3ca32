"""A reason to distrust a number, as data: it travels with the number and can be printed, counted and compared."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Flag:
    """`name`: what it is, in snake_case; `found`: what was measured, with n; `advice`: what to do about it.

    Names: see `check` and `suspicions`, which raise them.

    >>> print(Flag("extra_class", "11 logits for 10 classes.", "Audit the classes alone."))
    extra_class: 11 logits for 10 classes. Audit the classes alone.
    """

    name: str
    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.name}: {self.found} {self.advice}"


def met_nan(search: str) -> Flag:
    """The flag of a search that could not go on."""
    return Flag(
        "nan_gradients",
        f"{search} met logits or gradients that are NaN.",
        "Find the root, logarithm or division that has no derivative there: gradient attacks stop at it.",
    )


def once(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    """Of flags with the same name the first."""
    by_name: dict[str, Flag] = {}
    for flag in flags:
        by_name.setdefault(flag.name, flag)
    return tuple(by_name.values())


__all__ = ["Flag", "met_nan", "once"]
