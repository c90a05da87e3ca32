"""Numbers as people write them: 0.5, 3, 8/255."""

import math

from notbugs.errors import NotbugsError


def parse_number(text: str, what: str) -> float:
    """A finite number written as 0.5, 3, 8/255 or 0.5/255.

    >>> parse_number("8/255", "eps")
    0.03137254901960784
    """
    wrong = NotbugsError(f"{what} {text!r} is not a number; write it like 0.5 or 8/255")
    above, slash, below = text.partition("/")
    try:  # not Fraction, which would write out every digit of 1e999999999
        value = float(above) / float(below) if slash else float(text)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise wrong from error
    if not math.isfinite(value):
        raise wrong
    return value


__all__ = ["parse_number"]
