"""What every data set promises: one suite for all formats, and for the double of other tests.

A subclass gives the fixture `dataset`, whose samples are those of `expected`.
"""

import threading
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from lathe_steps.base import Batch, Dataset
from tests.step_runs import Samples


def joined(batches: Iterator[Batch]) -> tuple[np.ndarray, np.ndarray]:
    """All inputs and labels, one after the other."""
    found = list(batches)
    labels = [np.asarray(batch.labels) for batch in found]
    return np.concatenate([batch.inputs["x"] for batch in found]), np.concatenate(labels)


class DatasetConformance:
    """The promises of `lathe_steps.base.Dataset`."""

    @pytest.fixture
    def dataset(self) -> Dataset:
        raise NotImplementedError

    @pytest.fixture
    def expected(self) -> Samples:
        raise NotImplementedError

    def test_it_has_every_sample_once_in_order(self, dataset: Dataset, expected: Samples) -> None:
        inputs, labels = joined(dataset.batches(5))

        assert len(dataset) == len(expected)
        assert np.array_equal(inputs, expected.inputs["x"])
        assert np.array_equal(labels, np.asarray(expected.labels))

    def test_types_are_those_that_models_take(self, dataset: Dataset, expected: Samples) -> None:
        batch = next(dataset.batches(4))

        assert batch.inputs["x"].dtype == expected.inputs["x"].dtype
        assert batch.labels is not None
        assert batch.labels.dtype == np.int64

    @pytest.mark.parametrize("size", [1, 4, 7, 1000])
    def test_only_the_last_batch_is_smaller(self, dataset: Dataset, size: int) -> None:
        sizes = [len(batch.inputs["x"]) for batch in dataset.batches(size)]

        assert sum(sizes) == len(dataset)
        assert all(each == min(size, len(dataset)) for each in sizes[:-1])
        assert 0 < sizes[-1] <= size

    @pytest.mark.parametrize("limit", [0, 1, 3, 10**6])
    def test_a_limit_is_spread_evenly(
        self, dataset: Dataset, expected: Samples, limit: int
    ) -> None:
        count = min(limit, len(expected))
        rows = [i * len(expected) // count for i in range(count)]

        found = [batch.inputs["x"] for batch in dataset.batches(2, limit=limit)]

        assert sum(map(len, found)) == count
        if found:
            assert np.array_equal(np.concatenate(found), expected.inputs["x"][rows])

    def test_a_seed_is_an_order_of_all_samples(self, dataset: Dataset, expected: Samples) -> None:
        once, twice, other = (joined(dataset.batches(6, shuffle=seed))[0] for seed in (1, 1, 2))

        assert np.array_equal(once, twice)
        assert not np.array_equal(once, other)
        assert np.array_equal(_sorted(once), _sorted(expected.inputs["x"]))

    def test_inputs_and_labels_stay_together(self, dataset: Dataset, expected: Samples) -> None:
        inputs, labels = joined(dataset.batches(6, shuffle=3, limit=9))
        known = {x.tobytes(): y for x, y in zip(*joined(expected.batches(50)), strict=True)}

        assert [known[x.tobytes()] for x in inputs] == labels.tolist()

    def test_the_seed_decides_the_order_whatever_the_size_of_batches(
        self, dataset: Dataset
    ) -> None:
        orders = [joined(dataset.batches(size, shuffle=1))[0] for size in (1, 5, 50)]

        assert all(np.array_equal(first, second) for first, second in pairwise(orders))

    def test_two_readers_do_not_disturb_each_other(
        self, dataset: Dataset, expected: Samples
    ) -> None:
        first, second = dataset.batches(5), dataset.batches(5)
        next(first)

        assert np.array_equal(joined(second)[0], expected.inputs["x"])
        assert np.array_equal(joined(first)[0], expected.inputs["x"][5:])

    def test_who_stops_early_leaves_nothing_running(self, dataset: Dataset) -> None:
        before = threading.active_count()

        batches = dataset.batches(1)
        next(batches)
        del batches

        assert threading.active_count() == before

    def test_a_batch_is_the_callers_own(self, dataset: Dataset, expected: Samples) -> None:
        for batch in dataset.batches(5):
            batch.inputs["x"][...] = 0

        assert np.array_equal(joined(dataset.batches(5))[0], expected.inputs["x"])


def _sorted(samples: np.ndarray) -> np.ndarray:
    flat = samples.reshape(len(samples), -1)
    found: np.ndarray = flat[np.lexsort(flat.T)]
    return found
