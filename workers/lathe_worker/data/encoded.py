"""Values that are decoded when they are read: images, arrays, numbers as text."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any, Protocol, Self

import numpy as np

from lathe_worker.data import images, npy
from lathe_worker.data.refusal import invalid

MOST_BYTES = 256 * 1024 * 1024
"""Most bytes of one value as it is stored."""
_MOST_TEXT = 64
_MOST_JSON = 1 << 20
_MOST_DEEP = 8

Decode = Callable[[bytes], np.ndarray]
"""From what is stored to an array; ValueError, with one line, for what is damaged."""


class Files(Protocol):
    """Files by number."""

    def __getitem__(self, number: int, /) -> Path:
        """One of them."""
        ...


@dataclass(frozen=True, slots=True)
class Index:
    """Where values lie: for each, the number of its file, its first byte and how many.

    Attributes:
        files: The files.
        file: An index into `files` per value.
        start: Bytes of the file before each value.
        size: Bytes of each value.
    """

    files: Files
    file: np.ndarray
    start: np.ndarray
    size: np.ndarray


class Reader:
    """Reads values of an index; the file of the last one stays open until the next needs another.

    No more are open, since every image of a folder is a file of its own.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._number = -1
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Begin to read."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        if self._stream is not None:
            self._stream.close()

    def read(self, row: int, most: int | None = None) -> bytes:
        """The bytes of one value, or the first of them."""
        number, size = int(self._index.file[row]), int(self._index.size[row])
        if self._stream is None or number != self._number:
            if self._stream is not None:
                self._stream.close()
            self._stream = self._index.files[number].open("rb", buffering=0)
            self._number = number
        wanted = size if most is None else min(size, most)
        return os.pread(self._stream.fileno(), wanted, int(self._index.start[row]))


@dataclass(frozen=True, slots=True)
class Encoded:
    """Values that lie in files as somebody encoded them.

    Attributes:
        index: Where.
        decode: Makes arrays of them.
        name: What messages call a value, by its number.
        opaque: Whether values are told apart as they are stored, since decoding takes long.
    """

    index: Index
    decode: Decode
    name: Callable[[int], str]
    opaque: bool

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.index.size)

    def take(self, rows: np.ndarray) -> list[np.ndarray]:
        """See `Column.take`."""
        with Reader(self.index) as reader:
            return [self._value(int(row), reader) for row in rows]

    def content(self, rows: np.ndarray, dtype: np.dtype[Any] | None) -> Iterator[bytes]:
        """See `Column.content`."""
        with Reader(self.index) as reader:
            for row in rows:
                if self.opaque:
                    yield reader.read(int(row))
                else:
                    value = self._value(int(row), reader)
                    yield value.astype(dtype or value.dtype, copy=False).tobytes()

    def place(self, row: int) -> str:
        """See `Column.place`."""
        return self.name(row)

    def check(self) -> None:
        """Look at the beginning of every image, before anything runs.

        Raises:
            BadInput: InvalidDataset, for what is no image that can be read, or is too large.
        """
        with Reader(self.index) as reader:
            for row in range(len(self)):
                try:
                    if not images.is_fine(reader.read(row, images.HEAD)):
                        images.require_fine(reader.read(row))
                except ValueError as error:
                    raise invalid(self.name(row), str(error)) from error

    def _value(self, row: int, reader: Reader) -> np.ndarray:
        try:
            return self.decode(reader.read(row))
        except ValueError as error:
            raise invalid(self.name(row), str(error)) from error


def elements(dtype: np.dtype[Any]) -> Decode:
    """Decode elements side by side, as an array of one axis."""

    def decode(content: bytes) -> np.ndarray:
        return np.frombuffer(content, dtype)

    return decode


def array(content: bytes) -> np.ndarray:
    """Decode an .npy file that holds numbers."""
    header = _header(content[: npy.length(content)])
    npy.require_numbers(header)
    if header.size != len(content):
        raise ValueError(f"it says that it has {header.size} bytes, but has {len(content)}")
    found: np.ndarray = np.frombuffer(content, header.dtype, offset=header.offset)
    return found.reshape(header.shape, order="F" if header.fortran else "C")


@lru_cache(maxsize=64)
def _header(start: bytes) -> npy.Header:
    """Parsing takes longer than all the rest, and samples most often have the same header."""
    return npy.read_header(start)


def class_of(content: bytes) -> np.ndarray:
    """Decode a class: a whole number as text."""
    if len(content) > _MOST_TEXT:
        raise ValueError("it is no number: it has too many characters")
    try:
        return np.array(int(content.decode("ascii").strip()), np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"it holds {content[:20]!r}, and no whole number") from error


def json_values(key: str | None) -> Decode:
    """Decode a JSON document: a number, or lists of numbers; those below a key if one is given."""
    return partial(_json, key)


def _json(key: str | None, content: bytes) -> np.ndarray:
    if len(content) > _MOST_JSON:
        raise ValueError(f"it has {len(content)} bytes; JSON of up to {_MOST_JSON} bytes is read")
    try:
        document = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is no JSON that can be read") from error
    if key is not None:
        if not isinstance(document, dict) or key not in document:
            raise ValueError(f"it has no key {key}")
        document = document[key]
    if not _is_numbers(document, _MOST_DEEP):
        raise ValueError("it holds other things than numbers, or lists of different lengths")
    try:
        found = np.array(document)
    except (ValueError, OverflowError) as error:
        raise ValueError("its lists have different lengths, or its numbers do not fit") from error
    if found.dtype.kind not in "iuf":
        raise ValueError("its numbers do not fit into 64 bits")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _is_numbers(value: object, deep: int) -> bool:
    if isinstance(value, list):
        return deep > 0 and bool(value) and all(_is_numbers(item, deep - 1) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)
