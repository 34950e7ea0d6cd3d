"""A run of numbers of one tensor, in the fewest bytes that give back every bit of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntFlag

import numpy as np

from lathe_steps.toolchains.archives import gaps, streams
from lathe_steps.toolchains.archives.reader import Damaged, Reader, number
from lathe_steps.toolchains.archives.streams import Codec

LARGEST = 1 << 22
"""Most numbers of one block, which bounds the memory that reading takes."""
_CODEBOOK = 256
_PROBE = 1 << 14
"""Numbers that show whether there are few values; only then all of them are looked at."""
_FEW = 0.1
"""Values for each number up to which a codebook is the shortest without trying."""
_SPARSE_FROM = 0.3
"""Share of zeros from which positions may be shorter than what they save."""
_WIDTH = 3


class Shape(IntFlag):
    """What was done to the numbers, in this order.

    The two lowest bits of the byte are the width of a number: 1, 2, 4 or 8 bytes as 0 to 3.
    """

    HALF = 4
    """They are float32, each of which a float16 holds exactly; the rest is about float16."""
    SPARSE = 8
    """Zeros are left out, and the positions of the others come first."""
    COLUMNS = 16
    """Positions are those of the transposed matrix."""
    CODEBOOK = 32
    """There are at most 256 values: they come next, then an index for each number."""


_KNOWN = _WIDTH | Shape.HALF | Shape.SPARSE | Shape.COLUMNS | Shape.CODEBOOK


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is to be written.

    Attributes:
        bits: Unsigned integers of 1, 2, 4 or 8 bytes, one axis; at most LARGEST.
        is_float32: Whether they are the bits of float32.
        columns: Length of the rows in which they lie; None when they are no whole matrix.
    """

    bits: np.ndarray
    is_float32: bool = False
    columns: int | None = None


@dataclass
class Written:
    """Bytes, and how many of them are what."""

    data: bytearray = field(default_factory=bytearray)
    sections: Counter[str] = field(default_factory=Counter)

    def add(self, section: str, data: bytes) -> None:
        """Go on with some bytes."""
        self.data += data
        self.sections[section] += len(data)


def written(numbers: Numbers, codec: Codec) -> Written:
    """The shortest of all ways that may pay."""
    bits, flags = numbers.bits, Shape(0)
    if numbers.is_float32 and (half := _as_half(bits)) is not None:
        bits, flags = half, Shape.HALF
    tried = [_one(bits, numbers, way | flags, codec) for way in _ways(bits, numbers.columns)]
    return min(tried, key=lambda it: len(it.data))


def _as_half(bits: np.ndarray) -> np.ndarray | None:
    """The same numbers as bits of float16, when that loses nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        half = bits.view(np.float32).astype(np.float16)
        same = np.array_equal(half.astype(np.float32).view(np.uint32), bits)
    return half.view(np.uint16) if same else None


def _ways(bits: np.ndarray, columns: int | None) -> Iterator[Shape]:
    yield from _for_values(bits)
    nonzero = bits[bits != 0]
    if not len(nonzero) or len(nonzero) > (1 - _SPARSE_FROM) * len(bits):
        return
    for way in _for_values(nonzero):
        yield Shape.SPARSE | way
        if columns is not None and 1 < columns < len(bits):
            yield Shape.SPARSE | Shape.COLUMNS | way


def _for_values(bits: np.ndarray) -> Iterator[Shape]:
    """With a codebook, when there are few values; without, when there are not very few."""
    values = len(bits) if bits.itemsize == 1 else len(np.unique(bits[:_PROBE]))
    if values <= _CODEBOOK:
        values = len(np.unique(bits))
    if values <= _CODEBOOK:
        yield Shape.CODEBOOK
    if values > _CODEBOOK or values > _FEW * len(bits):
        yield Shape(0)


def _one(bits: np.ndarray, numbers: Numbers, way: Shape, codec: Codec) -> Written:
    done = Written()
    width = numbers.bits.itemsize.bit_length() - 1
    done.add("header", bytes([way | width]) + number(len(bits)))
    if Shape.COLUMNS in way:
        columns = numbers.columns or 1
        done.add("header", number(columns))
        bits = bits.reshape(-1, columns).T.ravel()
    if Shape.SPARSE in way:
        positions = np.flatnonzero(bits)
        bits = bits[positions]
        done.add("positions", number(len(bits)) + gaps.written(positions, codec))
    if Shape.CODEBOOK in way:
        values, indices = np.unique(bits, return_inverse=True)
        done.add("codebooks", bytes([len(values) - 1]) + _little(values).tobytes())
        done.add("values", streams.written(indices.astype(np.uint8), codec))
    else:
        for plane in _little(bits).view(np.uint8).reshape(-1, bits.itemsize).T:
            done.add("values", streams.written(np.ascontiguousarray(plane), codec))
    return done


def _little(bits: np.ndarray) -> np.ndarray:
    return bits.astype(bits.dtype.newbyteorder("<"), copy=False)


def read(reader: Reader, most: int) -> np.ndarray:
    """Read a block, as unsigned integers; it may have `most` bytes at most.

    Raises:
        Damaged: When it is none.
    """
    flags = reader.byte()
    width = 1 << (flags & _WIDTH)
    way = Shape(flags & ~_WIDTH)
    if flags & ~_KNOWN or (Shape.HALF in way and width != np.dtype(np.float32).itemsize):
        raise Damaged(f"a block of it is of the kind {flags}, which there is not")
    count = reader.number(min(LARGEST, most // width))
    if not count:
        raise Damaged("a block of it is empty")
    columns = reader.number(count) if Shape.COLUMNS in way else count
    if not columns or count % columns:
        raise Damaged("a matrix in it is no rectangle")
    stored = 2 if Shape.HALF in way else width
    if Shape.SPARSE in way:
        nonzero = reader.number(count)
        positions = gaps.read(reader, nonzero, count)
        bits = np.zeros(count, f"<u{stored}")
        bits[positions] = _values(reader, nonzero, stored, way)
    else:
        bits = _values(reader, count, stored, way)
    if Shape.COLUMNS in way:
        bits = bits.reshape(columns, -1).T.ravel()
    if Shape.HALF in way:
        with np.errstate(invalid="ignore"):
            bits = bits.view("<f2").astype("<f4").view("<u4")
    return bits


def _values(reader: Reader, count: int, width: int, way: Shape) -> np.ndarray:
    if Shape.CODEBOOK in way:
        values = reader.array(reader.byte() + 1, f"<u{width}")
        indices = streams.read(reader, count)
        if count and indices.max() >= len(values):
            raise Damaged("a block of it has an index without a value")
        chosen: np.ndarray = values[indices]
        return chosen
    planes = np.empty((count, width), np.uint8)
    for plane in planes.T:
        plane[:] = streams.read(reader, count)
    return planes.view(f"<u{width}").ravel()
