"""Fashion-MNIST (Xiao et al., 2017), from Debian's package: 28x28 images of ten sorts of wear."""

import gzip
import subprocess
from pathlib import Path

import numpy as np

from benchmarks.compression.tasks.samples import Samples, Split

PACKAGE = "dataset-fashion-mnist"
FOLDER = Path("usr/share/datasets/fashion-mnist")
CALIBRATION = 512


def load(cache: Path, train: int | None = None, test: int | None = None) -> Split:
    """Read the images as float32 in 0…1, shape (n, 1, 28, 28); the last 512 of train calibrate.

    Args:
        cache: Where the package is unpacked, if it is not installed.
        train: Take only so many of the 59,488 to train on.
        test: Take only so many of the 10,000 to measure on.
    """
    folder = located(cache)
    images, labels = _read(folder, "train")
    test_images, test_labels = _read(folder, "t10k")
    count = len(images) - CALIBRATION
    return Split(
        train=Samples(images[:count][:train], labels[:count][:train]),
        calib=Samples(images[count:], labels[count:]),
        test=Samples(test_images[:test], test_labels[:test]),
    )


def located(cache: Path) -> Path:
    """Where the files are: as installed, or unpacked from the package without root."""
    installed = Path("/") / FOLDER
    if installed.is_dir():
        return installed
    unpacked = cache / FOLDER
    if not unpacked.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=cache, check=True)
        (package,) = cache.glob(f"{PACKAGE}_*.deb")
        subprocess.run(["dpkg-deb", "-x", package, cache], check=True)
    return unpacked


def _read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of an IDX pair."""
    with gzip.open(folder / f"{name}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return pixels.astype(np.float32) / 255, labels.astype(np.int64)
