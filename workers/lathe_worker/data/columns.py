"""Columns of data sets: one value per sample, on disk, of which only what is asked for is read."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from lathe_worker.data.refusal import invalid

Values = np.ndarray | list[np.ndarray]
"""One value per sample: an array whose first axis is the sample, or a list where shapes differ."""


class Column(Protocol):
    """One value per sample."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def take(self, rows: np.ndarray) -> Values:
        """Read the values of some samples, which are the caller's own.

        Raises:
            BadInput: InvalidDataset, naming the object and the member that cannot be read.
        """
        ...

    def content(self, rows: np.ndarray, dtype: np.dtype[Any] | None) -> Iterator[bytes]:
        """Yield what tells each sample from others.

        That is an image as it is stored, or the elements of an array, cast to `dtype` if it is
        given.
        """
        ...

    def place(self, row: int) -> str:
        """What messages call a sample."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """Arrays of one shape and type, side by side in a file, in C order.

    It is read and not mapped into memory, so that memory does not grow with what was read.

    Attributes:
        file: Where they are.
        offset: Bytes before the first.
        dtype: Type of their elements.
        shape: The first axis is the sample.
        called: What messages call the column.
    """

    file: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    called: str

    def __len__(self) -> int:
        """How many samples there are."""
        return self.shape[0]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Column.take`."""
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        size = found.nbytes // max(len(rows), 1)
        if size == 0:
            return found
        view = memoryview(found.reshape(-1).view(np.uint8).data)
        with self.file.open("rb", buffering=0) as stream:
            for at, first, count in _runs(rows):
                wanted = view[at * size : (at + count) * size]
                if not _read_into(stream, self.offset + first * size, wanted):
                    raise invalid(self.called, "its file ends too early")
        return found

    def content(self, rows: np.ndarray, dtype: np.dtype[Any] | None) -> Iterator[bytes]:
        """See `Column.content`."""
        for value in self.take(rows):
            yield value.astype(dtype or self.dtype, copy=False).tobytes()

    def place(self, row: int) -> str:
        """See `Column.place`."""
        return f"{self.called}: sample {row}"


@dataclass(frozen=True, slots=True)
class Joined:
    """Columns of one shape and type that follow one another.

    Attributes:
        parts: At least one.
        starts: The first sample of each.
    """

    parts: tuple[Stored, ...]
    starts: np.ndarray

    def __len__(self) -> int:
        """How many samples there are."""
        return sum(map(len, self.parts))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Column.take`."""
        first = self.parts[0]
        found = np.empty((len(rows), *first.shape[1:]), first.dtype)
        which = self._which(rows)
        for part in np.unique(which):
            here = which == part
            found[here] = self.parts[part].take(rows[here] - self.starts[part])
        return found

    def content(self, rows: np.ndarray, dtype: np.dtype[Any] | None) -> Iterator[bytes]:
        """See `Column.content`."""
        for value in self.take(rows):
            yield value.astype(dtype or value.dtype, copy=False).tobytes()

    def place(self, row: int) -> str:
        """See `Column.place`."""
        part = int(self._which(np.array([row]))[0])
        return self.parts[part].place(row - int(self.starts[part]))

    def _which(self, rows: np.ndarray) -> np.ndarray:
        """The part of each sample; parts without samples share their start with the next."""
        found: np.ndarray = np.searchsorted(self.starts, rows, side="right") - 1
        return found


def joined(parts: Sequence[Stored]) -> Column:
    """One column of several, which follow one another.

    Raises:
        BadInput: InvalidDataset, when they are not of one shape and type.
    """
    first = parts[0]
    for part in parts:
        if (part.shape[1:], part.dtype) != (first.shape[1:], first.dtype):
            raise invalid(
                part.called,
                f"it has {part.dtype} of shape {list(part.shape)}, but the first object of the "
                f"data set has {first.dtype} of shape {list(first.shape)}",
            )
    if len(parts) == 1:
        return first
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return Joined(tuple(parts), starts)


def _runs(rows: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Rows that follow one another: the place of the first among `rows`, its number, how many."""
    ends = [*(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    start = 0
    for end in ends:
        yield start, int(rows[start]), end - start
        start = end


def _read_into(stream: IO[bytes], offset: int, wanted: memoryview) -> bool:
    """Fill all that is wanted from a file; False when the file ends before."""
    while wanted:
        count = os.preadv(stream.fileno(), [wanted], offset)
        if count == 0:
            return False
        wanted, offset = wanted[count:], offset + count
    return True
