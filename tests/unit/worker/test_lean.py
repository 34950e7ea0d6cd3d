"""What is read in smaller batches where memory is short, and what is not."""

import numpy as np

from lathe_steps.base import TensorSpec
from lathe_worker.lean import leaner
from tests.step_runs import Samples

DATA = Samples("val", {"x": np.arange(100)[:, None]}, np.arange(100))
ANY = (TensorSpec("x", "int64", ("batch", 1)),)
FIXED = (TensorSpec("x", "int64", (32, 1)),)


def test_the_same_samples_come_in_the_same_order_in_smaller_batches() -> None:
    lean = leaner(DATA, ANY)

    batches = list(lean.batches(32, limit=50))

    assert (lean.name, len(lean)) == ("val", 100)
    assert {len(batch.inputs["x"]) for batch in batches} == {8, 2}
    whole = np.concatenate([batch.inputs["x"] for batch in DATA.batches(50, limit=50)])
    assert np.array_equal(np.concatenate([batch.inputs["x"] for batch in batches]), whole)


def test_a_batch_is_never_empty() -> None:
    assert [len(batch.inputs["x"]) for batch in leaner(DATA, ANY).batches(2, limit=3)] == [1, 1, 1]


def test_a_shuffled_pass_is_left_to_the_training() -> None:
    assert [len(batch.inputs["x"]) for batch in leaner(DATA, ANY).batches(50, shuffle=1)] == [
        50,
        50,
    ]


def test_a_model_that_takes_batches_of_one_size_gets_them() -> None:
    assert leaner(DATA, FIXED) is DATA
