"""Intervals against published figures, and against what they promise."""

import random
from statistics import median as middle

import pytest

from lathe_worker import intervals
from lathe_worker.intervals import Interval


def test_the_difference_of_paired_shares_is_as_published() -> None:
    # Fagerland, Lydersen and Laake (2014), airway hyper-responsiveness: 1, 1, 7 and 12 of 21
    found = intervals.paired_difference(gained=7, lost=1, samples=21)

    assert found == pytest.approx((0.013, 0.508), abs=5e-4)


def test_a_difference_of_nothing_still_has_a_width() -> None:
    found = intervals.paired_difference(gained=0, lost=0, samples=700)

    assert found == pytest.approx((-0.0039, 0.0039), abs=5e-5)


def test_a_difference_stays_within_what_shares_can_differ() -> None:
    assert intervals.paired_difference(gained=0, lost=3, samples=3).low >= -1


def test_a_share_is_as_published() -> None:
    # Newcombe (1998), table I, method 3: 15 of 148 and 0 of 20
    assert intervals.share(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert intervals.share(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


MEDIANS = {
    "100 values": (Interval(40, 61), range(1, 101)),
    "ten values": (Interval(2, 9), range(1, 11)),
    "six values, the fewest that can be sure": (Interval(1, 6), range(1, 7)),
    "five values, which cannot": (Interval(1, 5), range(1, 6)),
    "one value": (Interval(3, 3), range(3, 4)),
}


@pytest.mark.parametrize(("expected", "values"), MEDIANS.values(), ids=MEDIANS)
def test_a_median_is_between_order_statistics(expected: Interval, values: range) -> None:
    assert expected == intervals.median(values)


def test_a_ratio_of_times_is_found_as_often_as_promised() -> None:
    chance = random.Random(0)  # noqa: S311 - a simulation

    def times(scale: float) -> list[float]:
        return [scale * chance.lognormvariate(0, 0.3) for _ in range(120)]

    found = [intervals.ratio_of_medians(times(2), times(1)) for _ in range(300)]

    assert sum(interval.low <= 2 <= interval.high for interval in found) >= 0.95 * 300


def test_a_ratio_is_within_its_interval_even_while_the_machine_drifts() -> None:
    before = [1.0 + 0.01 * call for call in range(200)]
    after = [0.5 * time for time in before]

    found = intervals.ratio_of_medians(after, before)

    assert found.low <= middle(after) / middle(before) <= found.high


def test_few_calls_give_a_wide_interval_and_no_error() -> None:
    found = intervals.ratio_of_medians([1.0], [2.0])

    assert found == pytest.approx((0.5, 0.5))


TAILS = {
    "as published for the median": (Interval(40, 61), range(1, 101), 0.5),
    "the last calls, for a tail": (Interval(90, 100), range(1, 101), 0.95),
    "too few values for an upper end": (Interval(8, 10), range(1, 11), 0.95),
}


@pytest.mark.parametrize(("expected", "values", "share"), TAILS.values(), ids=TAILS)
def test_a_quantile_is_between_order_statistics(
    expected: Interval, values: range, share: float
) -> None:
    assert expected == intervals.quantile(values, share)


def test_a_ratio_of_tails_is_found_as_often_as_promised() -> None:
    chance = random.Random(1)  # noqa: S311 - a simulation

    def times(scale: float) -> list[float]:
        return [scale * chance.lognormvariate(0, 0.3) for _ in range(400)]

    found = [intervals.ratio_of_quantiles(times(2), times(1), 0.95) for _ in range(200)]

    assert sum(interval.low <= 2 <= interval.high for interval in found) >= 0.93 * 200
