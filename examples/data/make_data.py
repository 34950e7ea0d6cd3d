"""Write the digits of the quick start in every format that Lathe reads.

python examples/data/make_data.py out/storage

    out/storage/data/digits-safetensors/{train,val}.safetensors
    out/storage/data/digits-parquet/{train,val}.parquet
    out/storage/data/digits-webdataset/{train,val}/0000.tar ...
    out/storage/data/digits-imagefolder/{train,val}/<class>/<number>.png

It reads out/storage/data/digits/{train,val}.npz, which examples/quickstart/make_model.py writes.
Images become PNG files of 8 bits per pixel; the digits have 17 shades of grey, so that nothing is
lost but the last bits of a fraction.
"""

import argparse
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import save_file

SHARD = 300
"""Samples of one tar file."""
ROW_GROUP = 256


def main() -> None:
    """Write every format beside the data of the quick start."""
    parser = argparse.ArgumentParser(description="Write the digits in every format.")
    parser.add_argument("storage", type=Path, help="folder that stands for S3: buckets are folders")
    data: Path = parser.parse_args().storage / "data"
    for name in ("train", "val"):
        with np.load(data / "digits" / f"{name}.npz") as arrays:
            images, labels = arrays["images"], arrays["labels"]
        for form, write in FORMATS.items():
            folder = data / f"digits-{form}"
            folder.mkdir(parents=True, exist_ok=True)
            write(folder, name, images, labels)
    print(f"data is in {', '.join(f'{data}/digits-{form}' for form in FORMATS)}")


def safetensors(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Two named arrays."""
    save_file({"images": images, "labels": labels}, folder / f"{name}.safetensors")


def parquet(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> None:
    """A row per sample: encoded images as bytes, in the struct that other tools read."""
    column = pa.array([{"bytes": content, "path": None} for content in encoded(images)])
    table = pa.table({"image": column, "label": labels})
    pq.write_table(table, folder / f"{name}.parquet", row_group_size=ROW_GROUP)


def webdataset(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Tar files of some hundred samples each: an image and its class."""
    (folder / name).mkdir(exist_ok=True)
    samples = list(zip(encoded(images), labels, strict=True))
    for start in range(0, len(samples), SHARD):
        with tarfile.open(folder / name / f"{start // SHARD:04}.tar", "w") as shard:
            for number, (content, label) in enumerate(samples[start : start + SHARD], start):
                _add(shard, f"{number:06}.png", content)
                _add(shard, f"{number:06}.cls", str(label).encode())


def imagefolder(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> None:
    """A directory per class."""
    for number, (content, label) in enumerate(zip(encoded(images), labels, strict=True)):
        file = folder / name / str(label) / f"{number:06}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def encoded(images: np.ndarray) -> Iterator[bytes]:
    """Images of fractions from 0 to 1 as PNG files."""
    for image in np.round(images[:, 0] * 255).astype(np.uint8):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "PNG")
        yield out.getvalue()


def _add(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    shard.addfile(about, io.BytesIO(content))


Write = Callable[[Path, str, np.ndarray, np.ndarray], None]
FORMATS: Mapping[str, Write] = {
    "safetensors": safetensors,
    "parquet": parquet,
    "webdataset": webdataset,
    "imagefolder": imagefolder,
}


if __name__ == "__main__":
    main()
