"""Where numbers lie in a file, so that they are coded as numbers and all else as bytes."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lathe_steps.toolchains.archives.blocks import LARGEST

_WIDTHS = {"8": 1, "16": 2, "32": 4, "64": 8}
_LENGTH_BYTES = 8
_FEWEST = 8
"""Numbers below which a tensor is not worth a block of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Numbers of one width in a file, one after the other.

    Attributes:
        start: The first byte.
        count: How many.
        width: Bytes of each: 1, 2, 4 or 8.
        is_float32: Whether they are float32.
        columns: Length of the rows of the matrix that they are; None when they are no matrix.
    """

    start: int
    count: int
    width: int
    is_float32: bool
    columns: int | None

    @property
    def end(self) -> int:
        """The byte after the last."""
        return self.start + self.count * self.width


def of_tensor(start: int, shape: tuple[int, ...], width: int, *, is_float32: bool) -> Place:
    """The place of a tensor; its first axis makes the rows."""
    count = math.prod(shape)
    columns = math.prod(shape[1:]) if len(shape) > 1 and count else None
    return Place(start, count, width, is_float32, columns)


def in_safetensors(file: Path) -> Iterator[Place]:
    """The tensors of a safetensors file that was checked before."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        header = json.loads(stream.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            dtype, shape = str(entry["dtype"]), tuple(entry["shape"])
            digits = "".join(filter(str.isdigit, dtype.partition("_")[0]))
            width = _WIDTHS.get(digits, 1)
            whole = math.prod(shape) * width == end - start
            yield of_tensor(
                _LENGTH_BYTES + length + start,
                shape if whole else (end - start,),
                width if whole else 1,
                is_float32=whole and dtype == "F32",
            )


def blocks(places: Iterable[Place]) -> Iterator[Place]:
    """The places in order, without those too small to pay, in parts no larger than a block.

    Where two lie over each other, it is the first that counts.
    """
    end = 0
    for place in sorted(places, key=lambda it: it.start):
        if place.count < _FEWEST or place.start < end:
            continue
        end = place.end
        if place.count <= LARGEST:
            yield place
            continue
        for first in range(0, place.count, LARGEST):
            count = min(LARGEST, place.count - first)
            start = place.start + first * place.width
            yield Place(start, count, place.width, place.is_float32, None)
