"""Errors say in one line what was given, what was expected and what to do."""

import math

import pytest

from notbugs.errors import NotbugsError, require_positive, unknown


def test_the_nearest_known_name_is_offered():
    assert (
        str(unknown("class", "dgo", ["cat", "dog"]))
        == "unknown class 'dgo'; did you mean 'dog'? (known: cat, dog)"
    )
    assert str(unknown("class", "zebra", ["cat"])) == "unknown class 'zebra' (known: cat)"
    assert isinstance(unknown("class", "x", []), NotbugsError)


def test_it_is_a_value_error():
    assert issubclass(NotbugsError, ValueError)


@pytest.mark.parametrize("value", [0, -1, -math.inf, math.nan])
def test_what_is_not_positive_is_refused(value):
    with pytest.raises(NotbugsError, match="eps must be positive, got"):
        require_positive("eps", value)


def test_what_is_positive_is_not():
    require_positive("eps", 1e-30)
