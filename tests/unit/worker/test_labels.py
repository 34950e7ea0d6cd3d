"""Labels: classes, classes by position, numbers; and what is none of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.datasets import open_dataset
from tests.unit.worker.data_files import a_ref, tar
from tests.unit.worker.npz_files import saved

TOKENS = TensorSpec("x", "int64", ("batch", "length"))
INPUT = np.arange(24).reshape(6, 4)


def labels(folder: Path, given: Any) -> np.ndarray:
    """The labels of a data set of six samples with four positions."""
    file = saved(folder / "val.npz", x=INPUT, labels=np.asarray(given))
    (batch,) = open_dataset(a_ref(format="NPZ"), file, folder, (TOKENS,)).batches(10)
    assert batch.labels is not None
    return batch.labels


TAKEN = {
    "a class per sample": (np.arange(6, dtype=np.uint8), np.int64, (6,)),
    "a class per sample, in a column": (np.arange(6)[:, None], np.int64, (6,)),
    "two classes as truth": (np.arange(6) > 2, np.int64, (6,)),
    "a class per position": (np.arange(24).reshape(6, 4) % 3, np.int64, (6, 4)),
    "a single 1 among the positions": (np.eye(6, 4, dtype=np.int64), np.int64, (6, 4)),
    "positions to leave out": (np.arange(24).reshape(6, 4) - 100, np.int64, (6, 4)),
    "a number": (np.arange(6) / 2, np.float32, (6,)),
    "a number in float16": ((np.arange(6) / 2).astype(np.float16), np.float32, (6,)),
    "several numbers": (np.arange(12.0).reshape(6, 2), np.float32, (6, 2)),
    "numbers in one-hot, as soft labels are": (np.eye(6), np.float32, (6, 6)),
}


@pytest.mark.parametrize(("given", "dtype", "shape"), TAKEN.values(), ids=TAKEN)
def test_labels_are(given: np.ndarray, dtype: type, shape: tuple[int, ...], tmp_path: Path) -> None:
    found = labels(tmp_path, given)

    assert found.dtype == dtype
    assert found.shape == shape
    assert np.array_equal(found, given.reshape(shape).astype(dtype))


REFUSED = {
    "one-hot": np.eye(6, dtype=int),
    "one-hot as truth": np.eye(6, dtype=bool),
    "a map of classes": np.zeros((6, 4, 4), int),
    "numbers that are none": np.array([0, 1, 2, 3, 4, np.nan]),
    "numbers without end": np.array([0, 1, 2, 3, 4, np.inf]),
    "numbers too large for float32": np.full(6, 1e300),
    "classes too large for any model": np.full(6, 2**64 - 1, np.uint64),
    "no positions": np.zeros((6, 0), int),
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_labels_are_not(given: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as stopped:
        labels(tmp_path, given)

    assert stopped.value.reason is Reason.INVALID_DATASET
    assert "labels" in stopped.value.message


def test_labels_in_json_are_alike(tmp_path: Path) -> None:
    array = (
        b"\x93NUMPY\x01\x00\x46\x00"
        + b"{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }".ljust(69)
        + b"\n"
        + bytes(8)
    )
    written = {"a.npy": array, "a.json": b"1", "b.npy": array, "b.json": b"1.5"}
    file = tar(tmp_path / "val.tar", written)

    with pytest.raises(BadInput) as stopped:
        open_dataset(a_ref(format="WebDataset", labels="json"), file, tmp_path, (TOKENS,))

    assert "float64" in stopped.value.message
