"""A reason to distrust a number, as data: it travels with the number and can be printed, counted and compared."""

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


__all__ = ["Flag"]
