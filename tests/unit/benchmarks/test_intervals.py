import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.compression.intervals import paired_drop, repeated_mean, repeated_ratio


def test_no_disagreement_is_no_drop_but_not_certainty_either() -> None:
    found = paired_drop(lost=0, gained=0, count=450)

    assert found.middle == 0
    assert found.low == pytest.approx(-found.high)
    assert 0 < found.high < 0.01


def test_more_samples_make_surer() -> None:
    few, many = (paired_drop(lost=n // 50, gained=0, count=n) for n in (500, 50_000))

    assert (few.middle, many.middle) == (0.02, 0.02)
    assert many.high - many.low < (few.high - few.low) / 5


@given(st.integers(0, 300), st.integers(0, 300), st.integers(600, 10_000))
def test_what_is_lost_one_way_is_gained_the_other(lost: int, gained: int, count: int) -> None:
    there, back = paired_drop(lost, gained, count), paired_drop(gained, lost, count)

    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_ratios_are_averaged_as_ratios() -> None:
    found = repeated_ratio([2.0, 8.0])

    assert found.middle == pytest.approx(4)
    assert found.low < found.middle < found.high


def test_a_single_figure_has_no_interval() -> None:
    assert math.isnan(repeated_ratio([3.0]).low)
    assert math.isnan(repeated_mean([3.0]).high)


def test_equal_figures_leave_no_doubt() -> None:
    found = repeated_mean([0.5, 0.5, 0.5])

    assert (found.low, found.middle, found.high) == (0.5, 0.5, 0.5)


def test_five_seeds_have_students_interval() -> None:
    found = repeated_mean([1.0, 2.0, 3.0, 4.0, 5.0])

    assert found.high - found.middle == pytest.approx(2.776 * math.sqrt(2.5 / 5))
