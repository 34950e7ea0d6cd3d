"""Data sets: what is refused, which array feeds which input, and the order of samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.datasets import DiskDataset, open_dataset
from tests.unit.worker.npz_files import IMAGES, LABELS, UNSOUND, Tripwire, saved

X = TensorSpec("x", "float32", ("batch", 1, 2, 2))


def ref(**changes: Any) -> DatasetRef:
    given = {"inputs": {"x": "images"}, "labels": "labels", **changes}
    return DatasetRef(name="val", uri="s3://data/val.npz", format="NPZ", **given)


def opened(
    folder: Path, *inputs: TensorSpec, arrays: dict[str, Any] | None = None, **changes: Any
) -> DiskDataset:
    file = saved(folder / "val.npz", **(arrays or {"images": IMAGES, "labels": LABELS}))
    return open_dataset(ref(**changes), file, folder, inputs or (X,))


@pytest.mark.parametrize("make", UNSOUND.values(), ids=UNSOUND)
def test_a_file_that_is_not_sound_is_bad_input(make: Any, tmp_path: Path) -> None:
    file = make(tmp_path / "val.npz")

    with pytest.raises(BadInput) as stopped:
        open_dataset(ref(), file, tmp_path, (X,))

    assert stopped.value.reason is Reason.INVALID_DATASET
    assert "s3://data/val.npz" in stopped.value.message
    assert not Tripwire.fired


def test_nothing_is_written_for_an_array_that_lies_about_its_size(tmp_path: Path) -> None:
    file = UNSOUND["an array that says it is larger than it is"](tmp_path / "val.npz")

    with pytest.raises(BadInput):
        open_dataset(ref(), file, tmp_path, (X,))

    assert list(tmp_path.iterdir()) == [file]


WRONG = {
    "an array that is not there": (
        Reason.INVALID_DATASET,
        {"inputs": {"x": "pictures"}},
    ),
    "labels that are not there": (Reason.INVALID_DATASET, {"labels": "classes"}),
    "a mapping to an input that the model does not have": (
        Reason.INVALID_DATASET,
        {"inputs": {"y": "images"}},
    ),
    "arrays of different lengths": (
        Reason.INVALID_DATASET,
        {"arrays": {"images": IMAGES, "labels": LABELS[:5]}},
    ),
    "no samples": (
        Reason.INVALID_DATASET,
        {"arrays": {"images": IMAGES[:0], "labels": LABELS[:0]}},
    ),
    "labels that are not finite": (
        Reason.INVALID_DATASET,
        {"arrays": {"images": IMAGES, "labels": LABELS * np.nan}},
    ),
    "labels in one-hot": (
        Reason.INVALID_DATASET,
        {"arrays": {"images": IMAGES, "labels": np.eye(6, dtype=int)}},
    ),
    "images of another size": (
        Reason.SHAPE_MISMATCH,
        {"arrays": {"images": IMAGES.reshape(6, 1, 4, 1), "labels": LABELS}},
    ),
    "images without channels": (
        Reason.SHAPE_MISMATCH,
        {"arrays": {"images": IMAGES[:, 0], "labels": LABELS}},
    ),
    "complex images": (
        Reason.INVALID_DATASET,
        {"arrays": {"images": IMAGES.astype(complex), "labels": LABELS}},
    ),
}


@pytest.mark.parametrize(("expected", "given"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_before_anything_runs(
    expected: Reason, given: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as stopped:
        opened(tmp_path, **given)

    assert expected is stopped.value.reason


def test_images_do_not_become_tokens(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as stopped:
        opened(tmp_path, TensorSpec("x", "int64", X.shape))

    assert stopped.value.reason is Reason.SHAPE_MISMATCH


def test_a_type_that_numpy_does_not_know_fits_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as stopped:
        opened(tmp_path, TensorSpec("x", "string", X.shape))

    assert stopped.value.reason is Reason.SHAPE_MISMATCH


FOUND = {
    "the array that is named for it": {"inputs": {"x": "images"}},
    "the array of its own name": {
        "inputs": {},
        "arrays": {"x": IMAGES, "other": LABELS, "labels": LABELS},
    },
    "the only array besides the labels": {"inputs": {}},
    "the only array of a file without labels": {
        "inputs": {},
        "labels": None,
        "arrays": {"anything": IMAGES},
    },
}


@pytest.mark.parametrize("given", FOUND.values(), ids=FOUND)
def test_an_input_gets(given: dict[str, Any], tmp_path: Path) -> None:
    (batch,) = opened(tmp_path, **given).batches(10)

    assert np.array_equal(batch.inputs["x"], IMAGES)


def test_which_of_two_arrays_is_meant_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        opened(tmp_path, inputs={}, arrays={"a": IMAGES, "b": IMAGES, "labels": LABELS})


def test_several_inputs_each_get_their_own(tmp_path: Path) -> None:
    tokens = TensorSpec("tokens", "int64", ("batch", "length"))
    dataset = opened(
        tmp_path,
        X,
        tokens,
        arrays={"images": IMAGES, "tokens": np.zeros((6, 3), np.int32), "labels": LABELS},
    )

    (batch,) = dataset.batches(10)

    assert batch.inputs["tokens"].shape == (6, 3)
    assert batch.inputs["tokens"].dtype == np.int64


def test_samples_are_given_in_the_type_that_the_model_takes(tmp_path: Path) -> None:
    dataset = opened(tmp_path, arrays={"images": IMAGES.astype(np.uint8), "labels": LABELS})

    (batch,) = dataset.batches(10)

    assert batch.inputs["x"].dtype == np.float32


def test_labels_in_a_column_are_labels(tmp_path: Path) -> None:
    dataset = opened(tmp_path, arrays={"images": IMAGES, "labels": LABELS[:, None]})

    (batch,) = dataset.batches(10)

    assert batch.labels is not None
    assert batch.labels.tolist() == LABELS.tolist()


def labels(dataset: DiskDataset, size: int = 4, **how: Any) -> list[list[int]]:
    batches = (batch.labels for batch in dataset.batches(size, **how))
    return [found.tolist() for found in batches if found is not None]


def test_samples_come_in_their_order_and_the_last_batch_may_be_smaller(tmp_path: Path) -> None:
    assert labels(opened(tmp_path)) == [[0, 1, 2, 3], [4, 5]]


def test_a_limit_takes_samples_from_everywhere(tmp_path: Path) -> None:
    assert labels(opened(tmp_path), limit=3) == [[0, 2, 4]]


def test_a_limit_beyond_the_end_is_everything(tmp_path: Path) -> None:
    assert labels(opened(tmp_path), limit=100) == [[0, 1, 2, 3], [4, 5]]


def test_a_seed_is_an_order(tmp_path: Path) -> None:
    dataset = opened(tmp_path)

    orders = [labels(dataset, 6, shuffle=seed)[0] for seed in (1, 1, 2)]

    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == [0, 1, 2, 3, 4, 5]
