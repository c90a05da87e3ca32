"""Wilson's interval against its definition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notbugs.audits import Proportion
from notbugs.errors import NotbugsError


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_ends_solve_the_score_equation(counts: tuple[int, int]) -> None:
    proportion = Proportion(*counts)
    low, high = proportion.interval
    assert 0 <= low <= proportion.value <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            score = abs(proportion.value - end) / math.sqrt(end * (1 - end) / proportion.n)
            assert score == pytest.approx(1.959964, rel=1e-4)


@pytest.mark.parametrize("counts", [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(NotbugsError):
        Proportion(*counts)
