"""A directory of images per class; classes are counted from 0 in the order of their names."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_worker.data import images
from lathe_worker.data.columns import Column, Stored
from lathe_worker.data.encoded import MOST_BYTES, Encoded, Index
from lathe_worker.data.refusal import invalid, spoken

NAMES = ("image", "class")
_FOREIGN = frozenset({"bmp", "gif", "tif", "tiff", "jp2", "avif", "heic", "ppm"})
"""Endings of images that are not read: to leave them out in silence would change the data set."""


class Tree:
    """The images below a prefix, ordered by name.

    Raises:
        BadInput: InvalidDataset, when there are none, or some are in no directory or not readable.
    """

    def __init__(self, ref: DatasetRef, folder: Path) -> None:
        """Look at every name below a folder."""
        self._ref = ref
        self._folder = folder
        self._names = sorted(self._images())
        if not self._names:
            raise invalid(spoken(ref), "has no images in directories: one for each class")

    def read(self, spool: Path) -> Mapping[str, Column]:
        """The columns image and class."""
        paths = _Paths(self._folder, self._names)
        sizes = np.array([(self._folder / name).stat().st_size for name in self._names], np.int64)
        if sizes.max() > MOST_BYTES:
            at = self._called(int(sizes.argmax()))
            raise invalid(at, f"it has {sizes.max()} bytes; up to {MOST_BYTES} are read")
        rows, zeros = np.arange(len(sizes)), np.zeros(len(sizes), np.int64)
        image = Encoded(Index(paths, rows, zeros, sizes), images.decode, self._called, opaque=True)
        image.check()
        classes = [name.partition("/")[0] for name in self._names]
        number = {name: i for i, name in enumerate(sorted(set(classes)))}
        spool.write_bytes(np.array([number[name] for name in classes], np.int64).tobytes())
        called = f"{spoken(self._ref)}: the classes"
        return {"image": image, "class": Stored(spool, 0, np.dtype(np.int64), (len(rows),), called)}

    def _images(self) -> Iterator[str]:
        for root, folders, files in os.walk(self._folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                path = Path(root, name)
                ending = path.suffix.lower().removeprefix(".")
                if name.startswith(".") or ending not in images.ENDINGS | _FOREIGN:
                    continue
                yield self._checked(path.relative_to(self._folder).as_posix(), ending)

    def _checked(self, name: str, ending: str) -> str:
        called = spoken(self._ref, name)
        if ending in _FOREIGN:
            raise invalid(called, "JPEG, PNG and WebP images are read: store it as one of them")
        if len(PurePosixPath(name).parts) == 1:
            raise invalid(called, "it is in no directory, whose name would be its class")
        return name

    def _called(self, row: int) -> str:
        return spoken(self._ref, self._names[row])


@dataclass(frozen=True, slots=True)
class _Paths:
    """Files by their names below a folder; paths themselves would take a lot of memory."""

    folder: Path
    names: list[str]

    def __getitem__(self, number: int) -> Path:
        return self.folder / self.names[number]
