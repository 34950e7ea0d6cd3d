"""Reading safetensors files that nobody vouches for, in place."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lathe_worker.data.columns import Stored
from lathe_worker.data.refusal import invalid

_MOST_HEADER = 1 << 24
_LENGTH = 8
_DTYPES: Mapping[str, str] = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}


class Tensors:
    """The tensors of a safetensors file, by name; nothing is copied.

    Raises:
        BadInput: InvalidDataset, for what is no such file.
    """

    def __init__(self, file: Path, called: str) -> None:
        """Open a file; `called` is how messages name it."""
        self._file = file
        self._called = called
        self._size = file.stat().st_size
        try:
            self._entries, self._begin = self._read()
        except (ValueError, AttributeError, RecursionError) as error:
            raise invalid(called, f"is no safetensors file, or is cut off ({error})") from error

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors, in the order of the file."""
        return tuple(self._entries)

    def tensor(self, name: str) -> Stored:
        """Find one tensor.

        Raises:
            BadInput: InvalidDataset, when it is no array of numbers, or lies outside of the file.
        """
        called = f"{self._called}: the tensor {name}"
        try:
            dtype, shape, begin, end = _entry(self._entries[name])
        except (ValueError, TypeError, KeyError) as error:
            raise invalid(called, f"cannot be read ({error})") from error
        if not shape:
            raise invalid(called, "has no axis; the first axis is the sample")
        size = math.prod(shape) * dtype.itemsize
        if end - begin != size or not 0 <= begin <= end <= self._size - self._begin:
            raise invalid(called, f"says that it has {size} bytes, but has others, or fewer")
        return Stored(self._file, self._begin + begin, dtype, shape, called)

    def _read(self) -> tuple[dict[str, Any], int]:
        with self._file.open("rb") as stream:
            length = int.from_bytes(stream.read(_LENGTH), "little")
            if self._size < _LENGTH or length > min(_MOST_HEADER, self._size - _LENGTH):
                raise ValueError("it does not begin with a header")
            header = json.loads(stream.read(length))
        return {k: v for k, v in header.items() if k != "__metadata__"}, _LENGTH + length


def _entry(said: Mapping[str, Any]) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    if said["dtype"] not in _DTYPES:
        raise ValueError(f"its type is {said['dtype']}; there are: {', '.join(_DTYPES)}")
    begin, end = said["data_offsets"]
    numbers = (*said["shape"], begin, end)
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("its shape or place is no list of whole numbers")
    return np.dtype(_DTYPES[said["dtype"]]), tuple(said["shape"]), begin, end
