"""Closed forms are given where they hold, and nowhere else."""

from notbugs.data.planted import planted
from notbugs.expectations import closed_forms, det_closed_forms
from notbugs.threats import L2, Linf

BUDGETS = (L2(0.25), L2(0.5))


def test_the_planted_truth_is_expected() -> None:
    test = planted("test", count=20)
    expected = closed_forms(test, BUDGETS)
    assert expected["robust.clean"] == expected["robust.l2_0.5"] == 0.9
    assert (expected["d_nr.l2_0.25"], expected["d_nr.l2_0.5"]) == (0.97, 0.0)  # 0.4 / sqrt(2) lies between
    assert expected["d_rand.follows_nonrobust"] == 1.0
    assert det_closed_forms(test)["d_det.clean"] == ((1 - 0.9) / 9, 0.97)


def test_nothing_is_expected_of_other_threats_or_with_a_third_witness() -> None:
    tagged = planted("test", count=20, spurious=True)
    assert closed_forms(planted("test", count=20), (Linf(0.01), Linf(0.02))) == {}
    assert closed_forms(tagged, BUDGETS) == {}
    assert det_closed_forms(tagged) == {}
