"""Ranges from values that are seen once, in constant memory."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lathe_steps.toolchains.graphs.histograms import Histogram, widest

VALUES = st.lists(st.floats(-1e6, 1e6, width=32).map(np.float32), min_size=1, max_size=200).map(
    np.array
)


def histogram(*batches: Any) -> Histogram:
    made = Histogram()
    for batch in batches:
        made.add(np.asarray(batch, np.float32))
    return made


@given(VALUES)
def test_all_values_lie_in_the_whole_range(values: np.ndarray) -> None:
    low, high = histogram(values).percentile(100, symmetric=False)

    assert low == min(values.min(), 0)
    assert high == max(values.max(), 0)


@given(VALUES, st.integers(1, 5))
def test_it_does_not_matter_in_which_batches_values_come(values: np.ndarray, size: int) -> None:
    parts = [values[i : i + size] for i in range(0, len(values), size)]

    found = histogram(*parts).percentile(90, symmetric=True)

    width = float(2 * np.abs(values).max() / 2048)  # the bins of one of them may be twice as wide
    assert found == pytest.approx(histogram(values).percentile(90, symmetric=True), abs=width)


def test_memory_does_not_grow_with_the_values() -> None:
    few, many = histogram([1.0]), histogram(*(np.full(100, 2.0**i) for i in range(40)))

    assert few._counts.nbytes == many._counts.nbytes


def test_a_percentile_leaves_out_what_stands_out() -> None:
    values = np.concatenate([np.random.default_rng(0).uniform(0, 1, 100_000), [500.0]])

    low, high = histogram(values).percentile(99.99, symmetric=False)

    assert low == 0
    assert 0.9 < high < 1.3


def test_entropy_clips_a_tail_that_hardly_anything_is_in() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(size=200_000), [60.0, -60.0]])

    low, high = histogram(values).entropy()

    assert 3 < high < 20
    assert low == -high


def test_entropy_keeps_values_that_are_spread_evenly() -> None:
    values = np.random.default_rng(0).uniform(0, 3, 100_000)

    assert histogram(values).entropy() == pytest.approx((0, 3), rel=0.1)


@pytest.mark.parametrize("values", [[0.0, 0.0], [], [np.nan, np.inf]], ids=["0", "none", "nan"])
def test_nothing_to_see_is_a_range_of_nothing(values: list[float]) -> None:
    made = histogram(values)

    assert made.percentile(99, symmetric=False) == (0, 0)
    assert made.entropy() == (0, 0)


def test_ranges_of_batches_hold_both_and_zero() -> None:
    assert widest({"a": (1.0, 2.0)}, {"a": (1.5, 3.0), "b": (-2.0, -1.0)}) == {
        "a": (0.0, 3.0),
        "b": (-2.0, 0.0),
    }
