"""One data set in every format, as users would write it: small grey images and their classes."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_steps.base import TensorSpec

COUNT, SIDE = 37, 6
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE)).astype(np.uint8)
CLASSES = np.sort(np.arange(COUNT) % 3)  # the order of an ImageFolder
X = TensorSpec("x", "float32", ("batch", 1, SIDE, SIDE))
EXPECTED = (IMAGES / np.float32(255)).astype(np.float32)[:, None]

GREY: list[Any] = [{"grayscale": {}}, {"toFloat": {}}, {"toChannelsFirst": {}}]
PLAIN: list[Any] = [{"toFloat": {}}, {"toChannelsFirst": {}}]


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    """An image as a file."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind)
    return out.getvalue()


def tar(file: Path, members: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    """A tar file of regular files."""
    with tarfile.open(file, "w", format=form) as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return file


def halves(folder: Path) -> list[tuple[Path, slice]]:
    """Two files of a prefix, and which samples each has."""
    return [(folder / "part-0", slice(0, 20)), (folder / "part-1", slice(20, COUNT))]


def npz(folder: Path) -> None:
    for file, rows in halves(folder):
        np.savez(file, images=IMAGES[rows], labels=CLASSES[rows])


def safetensors(folder: Path) -> None:
    from safetensors.numpy import save_file

    for file, rows in halves(folder):
        save_file(
            {"images": IMAGES[rows].copy(), "labels": CLASSES[rows].copy()},
            f"{file}.safetensors",
        )


def parquet(folder: Path) -> None:
    for file, rows in halves(folder):
        images = pa.array([{"bytes": encoded(i), "path": ""} for i in IMAGES[rows]])
        table = pa.table({"images": images, "labels": CLASSES[rows]})
        pq.write_table(table, f"{file}.parquet", row_group_size=7)


def parquet_of_numbers(folder: Path) -> None:
    flat = pa.FixedSizeListArray.from_arrays(pa.array(IMAGES.reshape(-1)), SIDE)
    images = pa.FixedSizeListArray.from_arrays(flat, SIDE)
    pq.write_table(pa.table({"images": images, "labels": CLASSES}), folder / "all.parquet")


def webdataset(folder: Path) -> None:
    for file, rows in halves(folder):
        pairs = list(zip(IMAGES[rows], CLASSES[rows], strict=True))
        members = {f"{i:04}.png": encoded(image) for i, (image, _) in enumerate(pairs)}
        members |= {f"{i:04}.cls": str(label).encode() for i, (_, label) in enumerate(pairs)}
        tar(Path(f"{file}.tar"), dict(sorted(members.items())))


def webdataset_of_arrays(folder: Path) -> None:
    members: dict[str, bytes] = {}
    for i, (image, label) in enumerate(zip(IMAGES, CLASSES, strict=True)):
        out = io.BytesIO()
        np.save(out, image)
        members[f"train/{i:04}.npy"] = out.getvalue()
        members[f"train/{i:04}.json"] = json.dumps({"label": int(label), "who": "me"}).encode()
    tar(folder / "all.tar", members)


def imagefolder(folder: Path) -> None:
    for i, (image, label) in enumerate(zip(IMAGES, CLASSES, strict=True)):
        directory = folder / "abc"[label]
        directory.mkdir(exist_ok=True)
        (directory / f"{i:04}.png").write_bytes(encoded(image))
    (folder / "README.md").write_text("hello")


FORMATS: dict[str, tuple[Callable[[Path], None], dict[str, object]]] = {
    "NPZ": (npz, {"format": "NPZ", "transforms": {"x": PLAIN}, "inputs": {"x": "images"}}),
    "Safetensors": (safetensors, {"format": "Safetensors", "transforms": {"x": PLAIN}}),
    "Parquet of images": (parquet, {"format": "Parquet", "transforms": {"x": GREY}}),
    "Parquet of numbers": (parquet_of_numbers, {"format": "Parquet", "transforms": {"x": PLAIN}}),
    "WebDataset of images": (
        webdataset,
        {"format": "WebDataset", "transforms": {"x": GREY}, "labels": "cls"},
    ),
    "WebDataset of arrays": (
        webdataset_of_arrays,
        {"format": "WebDataset", "transforms": {"x": PLAIN}, "labels": "json.label"},
    ),
    "ImageFolder": (
        imagefolder,
        {"format": "ImageFolder", "transforms": {"x": GREY}, "labels": "class"},
    ),
}


def a_ref(**fields: object) -> DatasetRef:
    """A data set at a prefix, named val."""
    return DatasetRef.model_validate(
        {"name": "val", "uri": "s3://data/val/", "labels": "labels", **fields}
    )
