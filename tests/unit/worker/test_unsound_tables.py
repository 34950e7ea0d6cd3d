"""Tables and arrays that somebody sent to do harm, or that broke on the way: refused, and named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lathe_steps.base import TensorSpec
from lathe_worker.data import parquet
from tests.unit.worker.unsound import PNG, opened, refusal, void


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


# ---- Parquet


def table(**columns: Any) -> Callable[[Path], None]:
    return lambda file: pq.write_table(pa.table(columns), file)


BAD_TABLES: dict[str, Callable[[Path], None]] = {
    "no Parquet file": lambda file: void(file.write_bytes(b"PAR1" + bytes(100) + b"PAR1")),
    "an empty file": lambda file: file.touch(),
    "words": table(images=["a"], labels=[1]),
    "a null among numbers": table(images=[1.0, None], labels=[1, 2]),
    "a null in a list": table(images=[[1.0], [None]], labels=[1, 2]),
    "a null instead of an image": table(images=[PNG, None], labels=[1, 2]),
    "what is no image": table(images=[PNG, b"GIF89a"], labels=[1, 2]),
    "lists of lists of different lengths": table(
        images=[[[1.0], [1.0]], [[1.0, 2.0]]], labels=[1, 2]
    ),
    "no such column": table(pictures=[1.0], labels=[1]),
    "no rows": table(images=pa.array([], pa.float32()), labels=pa.array([], pa.int64())),
}


@pytest.mark.parametrize("write", BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_table_is_refused_with(write: Callable[[Path], None], folder: Path) -> None:
    write(folder / "0.parquet")

    said = refusal(lambda: opened(folder, "Parquet", inputs={"x": "images"}))

    assert "s3://data/val/" in said


def test_a_table_that_changed_on_the_way_is_refused(folder: Path) -> None:
    pixels = pa.array(list(np.random.default_rng(0).normal(size=(500, 4))))
    written = pa.table({"images": pixels, "labels": range(500)})
    pq.write_table(written, folder / "0.parquet", write_page_checksum=True)
    content = bytearray((folder / "0.parquet").read_bytes())
    content[30:2000] = bytes(1970)
    (folder / "0.parquet").write_bytes(content)

    refusal(lambda: opened(folder, "Parquet", TensorSpec("x", "float64", ("n", 4))))


def test_repetitions_do_not_fill_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe_worker.data.bombs.HARMLESS", 1000)
    monkeypatch.setattr("lathe_worker.data.bombs.RATIO", 20)
    pq.write_table(
        pa.table({"images": np.zeros((100_000,)), "labels": np.zeros(100_000, np.int64)}),
        folder / "0.parquet",
    )

    said = refusal(lambda: opened(folder, "Parquet", TensorSpec("x", "float64", ("n",))))

    assert "unpacks to" in said


def test_row_groups_fit_into_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MOST_GROUP", 10_000)
    pq.write_table(pa.table({"images": np.arange(9999.0)}), folder / "0.parquet")

    said = refusal(
        lambda: opened(folder, "Parquet", TensorSpec("x", "float64", ("n",)), labels=None)
    )

    assert "row_group_size" in said


# ---- safetensors


def header(content: object, rest: bytes = bytes(64)) -> bytes:
    text = json.dumps(content).encode()
    return len(text).to_bytes(8, "little") + text + rest


def entry(**changes: Any) -> dict[str, Any]:
    sound = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}
    return {"images": {**sound, **changes}}


BAD_TENSORS = {
    "an empty file": b"",
    "a header that is longer than the file": (10**9).to_bytes(8, "little") + b"{}",
    "a header that is no mapping": header([1, 2]),
    "a header without end": (10).to_bytes(8, "little") + b"[" * 10,
    "an array that is no mapping": header({"images": 3}),
    "an array of a type that numpy lacks": header(entry(dtype="BF16", data_offsets=[0, 32])),
    "an array beyond the file": header(entry(shape=[40, 4], data_offsets=[0, 640])),
    "an array that says it is larger than it is": header(entry(shape=[4_000_000_000, 4])),
    "an array of a negative size": header(entry(shape=[-4, -4])),
    "an array of a size in words": header(entry(shape=["4", 4])),
    "an array before the file": header(entry(data_offsets=[-64, 0])),
    "an array without axes": header(entry(shape=[], data_offsets=[0, 4])),
    "an array without a place": header({"images": {"dtype": "F32", "shape": [4, 4]}}),
}


@pytest.mark.parametrize("content", BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_safetensors_are_refused_with(content: bytes, folder: Path) -> None:
    (folder / "0.safetensors").write_bytes(content)

    said = refusal(
        lambda: opened(folder, "Safetensors", TensorSpec("x", "float32", ("n", 4)), labels=None)
    )

    assert "s3://data/val/0.safetensors" in said


# ---- several objects


def test_parts_of_one_data_set_are_alike(folder: Path) -> None:
    np.savez(folder / "0.npz", x=np.zeros((3, 4), np.float32))
    np.savez(folder / "1.npz", x=np.zeros((3, 5), np.float32))

    said = refusal(lambda: opened(folder, "NPZ", TensorSpec("x", "float32", ("n", 4)), labels=None))

    assert "s3://data/val/1.npz" in said


@pytest.mark.parametrize("form", ["NPZ", "Safetensors", "Parquet", "WebDataset", "ImageFolder"])
def test_a_prefix_without_such_objects_is_refused(form: str, folder: Path) -> None:
    (folder / "data.csv").write_text("1,2,3")

    refusal(lambda: opened(folder, form))


def test_marks_that_other_tools_leave_in_a_prefix_are_no_data(folder: Path) -> None:
    np.savez(folder / "0.npz", x=np.zeros((3, 4), np.float32))
    for name in ("_SUCCESS", ".npz", "_temporary.npz"):
        (folder / name).write_bytes(b"")

    dataset = opened(folder, "NPZ", TensorSpec("x", "float32", ("n", 4)), labels=None)

    assert len(dataset) == 3
