"""Where the values of a sparse tensor are, as distances.

Deep Compression writes distances in four bits and fills longer ones with zeros. Here a distance
is a class, which Huffman or zstd codes, and the bits that tell the members of the class apart, as
DEFLATE does it: distances of any length, and no padding.
"""

import numpy as np

from lathe_steps.toolchains.archives import bits, streams
from lathe_steps.toolchains.archives.reader import Damaged, Reader
from lathe_steps.toolchains.archives.streams import Codec

_EXACT = 8
"""Distances below are a class each; above, every doubling has four classes."""
_CLASSES = 4
_BASE = 3


def written(positions: np.ndarray, codec: Codec) -> bytes:
    """Ascending positions, below 2**22."""
    distances = np.diff(positions, prepend=-1) - 1
    power = np.frexp(np.maximum(distances, 1))[1] - 1
    extra = np.where(distances < _EXACT, 0, power - 2)
    quarter = distances >> np.maximum(power - 2, 0) & _CLASSES - 1
    classes = np.where(
        distances < _EXACT, distances, _EXACT + (power - _BASE) * _CLASSES + quarter
    ).astype(np.uint8)
    return streams.written(classes, codec) + bits.packed(distances & (1 << extra) - 1, extra)


def read(reader: Reader, count: int, size: int) -> np.ndarray:
    """Read so many positions in an array of `size`, as int64.

    Raises:
        Damaged: When they are not there, or beyond the array.
    """
    classes = streams.read(reader, count).astype(np.int64)
    power, quarter = np.divmod(classes - _EXACT, _CLASSES)
    extra = np.where(classes < _EXACT, 0, power + _BASE - 2)
    if count and int(extra.max()) > size.bit_length():
        raise Damaged("a distance in it is longer than its tensor")
    low = bits.unpacked(reader.array(-(-int(extra.sum()) // 8), "<u1"), extra)
    distances = np.where(classes < _EXACT, classes, (_CLASSES + quarter << extra) + low)
    positions = np.cumsum(distances + 1) - 1
    if count and positions[-1] >= size:
        raise Damaged("a position in it lies beyond its tensor")
    return positions
