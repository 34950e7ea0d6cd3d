"""Samples that were trained on are not measured on, whatever they are stored in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.datasets import DiskDataset, open_dataset, require_apart
from tests.unit.worker.data_files import FORMATS, GREY, X, a_ref, encoded, tar
from tests.unit.worker.npz_files import saved

VALUE = TensorSpec("x", "float32", ("batch", 1))


def numbers(folder: Path, name: str, values: Any, dtype: str = "float32") -> DiskDataset:
    samples = np.array(values, dtype=dtype)[:, None]
    file = saved(folder / f"{name}.npz", x=samples)
    return open_dataset(a_ref(name=name, format="NPZ", labels=None), file, folder, (VALUE,))


def test_samples_that_were_trained_on_are_not_measured_on(tmp_path: Path) -> None:
    val, train = numbers(tmp_path, "val", range(100)), numbers(tmp_path, "train", range(98, 300))

    with pytest.raises(BadInput) as stopped:
        require_apart(val, [train])

    assert stopped.value.reason is Reason.INVALID_DATASET
    assert "data sets train and val share 2 of the 100" in stopped.value.message


def test_a_double_among_a_hundred_is_nature(tmp_path: Path) -> None:
    require_apart(
        numbers(tmp_path, "val", range(100)), [numbers(tmp_path, "train", range(99, 300))]
    )


def test_a_sample_that_is_measured_twice_counts_twice(tmp_path: Path) -> None:
    val = numbers(tmp_path, "val", [7, 7, *range(100, 198)])

    with pytest.raises(BadInput):
        require_apart(val, [numbers(tmp_path, "train", [7])])


def test_numbers_are_the_same_in_another_type(tmp_path: Path) -> None:
    val = numbers(tmp_path, "val", range(100))

    with pytest.raises(BadInput):
        require_apart(val, [numbers(tmp_path, "train", range(100), "float64")])


@pytest.mark.parametrize(("write", "fields"), FORMATS.values(), ids=FORMATS)
def test_a_data_set_overlaps_itself(write: Any, fields: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data")

    def opened(name: str) -> DiskDataset:
        return open_dataset(a_ref(**fields, name=name), tmp_path / "data", tmp_path, (X,))

    with pytest.raises(BadInput):
        require_apart(opened("val"), [opened("train")])


def test_an_image_is_the_same_in_a_tar_file_and_in_a_directory(tmp_path: Path) -> None:
    image = encoded(np.arange(36, dtype=np.uint8).reshape(6, 6))
    (tmp_path / "folder" / "a").mkdir(parents=True)
    (tmp_path / "folder" / "a" / "0.png").write_bytes(image)
    shard = tar(tmp_path / "x.tar", {"a.png": image})

    def ref(name: str, form: str) -> Any:
        return a_ref(name=name, format=form, labels=None, transforms={"x": GREY})

    val = open_dataset(ref("val", "WebDataset"), shard, tmp_path, (X,))
    train = open_dataset(ref("train", "ImageFolder"), tmp_path / "folder", tmp_path, (X,))

    with pytest.raises(BadInput):
        require_apart(val, [train])
