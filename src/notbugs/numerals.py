"""Numbers as people write them: 0.5, 3, 8/255."""

import math

from notbugs.errors import NotbugsError

MOST_DIGITS = 9
"""Of a count: nobody has more images, steps or pixels."""


def parse_number(text: str, what: str) -> float:
    """A finite number written as 0.5, 3, 8/255 or 0.5/255.

    >>> parse_number("8/255", "eps")
    0.03137254901960784
    """
    wrong = NotbugsError(f"{what} {text!r} is not a number; write it like 0.5 or 8/255")
    above, slash, below = text.partition("/")
    if "_" in text or not text.isascii():  # which Python reads as a number all the same
        raise wrong
    try:  # not Fraction, which would write out every digit of 1e999999999
        value = float(above) / float(below) if slash else float(text)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise wrong from error
    if not math.isfinite(value):
        raise wrong
    return value


def parse_count(text: str, what: str) -> int:
    """A number of things, written in digits.

    >>> parse_count("40", "steps")
    40
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > MOST_DIGITS:
        raise NotbugsError(
            f"{what} {text[:40]!r} is not a count of up to {MOST_DIGITS} digits; write it like 40"
        )
    return int(text)


def shortest(value: float) -> str:
    """The shortest text that reads back as the same number.

    >>> shortest(0.5), shortest(2.0), shortest(10.0000001)
    ('0.5', '2', '10.0000001')
    """
    return f"{value:g}" if float(f"{value:g}") == value else repr(float(value))


__all__ = ["parse_count", "parse_number", "shortest"]
