"""Columns that are written to disk as they come, piece by piece, and read from there."""

from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lathe_worker.data import images
from lathe_worker.data.columns import Column, Stored
from lathe_worker.data.encoded import Encoded, Index, elements


class Spool:
    """Values of one type that are written one after the other."""

    def __init__(self, file: Path, called: str) -> None:
        """Write to a new file until it is closed; `called` is how messages name the column."""
        self._file = file
        self._called = called
        self._out = file.open("wb")
        self._sizes = array("q")

    def close(self) -> None:
        """Write no more; can be called twice."""
        self._out.close()

    def add(self, content: bytes | memoryview, sizes: np.ndarray) -> None:
        """Write values side by side, of so many bytes each."""
        self._out.write(content)
        self._sizes.frombytes(sizes.astype(np.int64).tobytes())

    def arrays(self, dtype: np.dtype[Any], inner: tuple[int, ...]) -> Column:
        """What was written, as arrays of elements: of one shape, if all are as long.

        Args:
            dtype: Type of the elements.
            inner: The shape of a sample, where all are as long; else they have one axis.
        """
        index = self._index()
        whole = int(np.prod(inner)) * dtype.itemsize
        if not len(index.size) or (index.size == whole).all():
            return Stored(self._file, 0, dtype, (len(index.size), *inner), self._called)
        return Encoded(index, elements(dtype), self._name, opaque=False)

    def images(self) -> Column:
        """What was written, as images.

        Raises:
            BadInput: InvalidDataset, when one is none.
        """
        found = Encoded(self._index(), images.decode, self._name, opaque=True)
        found.check()
        return found

    def _index(self) -> Index:
        self._out.close()
        sizes = np.array(self._sizes, np.int64)
        starts = np.cumsum(sizes) - sizes
        return Index((self._file,), np.zeros(len(sizes), np.int32), starts, sizes)

    def _name(self, row: int) -> str:
        return f"{self._called}: sample {row}"


Open = Callable[[str], Spool]
"""Begins to spool a column, by its name."""


def spools(folder: Path, prefix: str, called: str) -> Open:
    """Spools below a folder, in files that begin with a prefix."""
    return partial(_spool, folder, prefix, called)


def _spool(folder: Path, prefix: str, called: str, column: str) -> Spool:
    count = len(list(folder.glob(f"{prefix}-*")))
    return Spool(folder / f"{prefix}-{count}.bin", f"{called}: the column {column}")
