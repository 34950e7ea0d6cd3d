"""What an .npy file says of itself, read without trust."""

import io
import math
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

HEADER = 1 << 14
"""Bytes from the start in which the header ends."""
NUMBERS = "biuf"
"""Kinds of types that are numbers."""
_PIECE = 1 << 22


@dataclass(frozen=True, slots=True)
class Header:
    """What an array says of itself.

    Attributes:
        shape: A size per axis.
        dtype: Type of its elements.
        offset: Bytes before the first element.
        fortran: Whether the first axis varies fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    fortran: bool

    @property
    def size(self) -> int:
        """Bytes of header and elements."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def length(content: bytes) -> int:
    """Bytes of the header of an .npy file, as it says itself, but no more than are read."""
    said = int.from_bytes(content[8:10], "little")
    return min(10 + said, HEADER) if content[6:7] == b"\x01" else HEADER


def read_header(start: bytes) -> Header:
    """Parse the start of an .npy file.

    Raises:
        ValueError: When it is none.
    """
    stream = io.BytesIO(start)
    first = npy.read_magic(stream) == (1, 0)
    read = npy.read_array_header_1_0 if first else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = read(stream)
    except (tokenize.TokenError, SyntaxError, MemoryError) as error:
        # numpy lets Python parse it, which gives up on what is nested without end
        raise ValueError("its header cannot be read") from error
    return Header(shape, dtype, stream.tell(), fortran and len(shape) > 1)


def require_numbers(header: Header) -> None:
    """Refuse what is no array of numbers, as ValueError with one line."""
    if header.dtype.kind not in NUMBERS:
        raise ValueError(
            f"it holds {header.dtype}, not numbers: save numbers (pickled objects are never read)"
        )


def in_c_order(file: Path, header: Header) -> Header:
    """Write an array again whose first axis varies fastest, so that a sample is in one place.

    Returns:
        The header of the file as it is now.
    """
    if not header.fortran:
        return header
    mapped: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    rows = max(1, _PIECE // max(1, mapped.nbytes // max(1, len(mapped))))
    turned = file.with_suffix(".turned")
    with turned.open("wb") as out:
        for start in range(0, len(mapped), rows):
            out.write(mapped[start : start + rows].tobytes())
    del mapped
    turned.replace(file)
    return Header(header.shape, header.dtype, 0, fortran=False)
