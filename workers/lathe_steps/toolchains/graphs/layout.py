"""Where the tensors of an ONNX model lie in its files, byte for byte.

A parsed model does not say it, so the file itself is walked, as protobuf's wire format has it.
"""

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from lathe_steps.toolchains.archives.places import Place, of_tensor
from lathe_steps.toolchains.graphs import files
from lathe_steps.toolchains.graphs.external import place_of

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_WIRE, _WIRE_BITS = 7, 3
_MORE, _BITS = 0x80, 7
_WIDEST = 8
_HOLDERS = frozenset(
    {
        "ModelProto",
        "GraphProto",
        "NodeProto",
        "AttributeProto",
        "FunctionProto",
        "SparseTensorProto",
        "TensorProto",
    }
)
"""Messages with tensors somewhere within."""
_DATA = frozenset({"raw_data", "float_data"})
"""Fields of a tensor whose bytes are its numbers."""


class _Field(NamedTuple):
    """A field of a message.

    Attributes:
        known: Its description, for one of many bytes.
        begin: Where it begins.
        start: Where its content begins.
        end: Where it ends.
    """

    known: Any
    begin: int
    start: int
    end: int


def places(folder: Path) -> dict[Path, list[Place]]:
    """The places of every tensor of a model that `files.write` has written, by file."""
    file, data = folder / files.MODEL, folder / files.DATA
    found: dict[Path, list[Place]] = {file: []}
    if data.exists():
        found[data] = []
    with (
        file.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        for fields in _tensors(view, onnx.ModelProto.DESCRIPTOR, 0, len(view)):
            tensor, numbers = _parsed(view, fields)
            if numbers is not None:
                found[file].append(_place(tensor, numbers.start, numbers.end))
            elif (beside := place_of(tensor)) is not None and beside.length is not None:
                start = beside.offset
                found[data].append(_place(tensor, start, start + beside.length))
    return found


def _tensors(view: memoryview, message: Any, start: int, end: int) -> Iterator[list[_Field]]:  # noqa: ANN401 - protobuf's descriptions have no types
    """The fields of each tensor within a message."""
    fields = list(_fields(view, message, start, end))
    if message.name == "TensorProto":
        yield fields
        return
    for field in fields:
        inner = field.known and field.known.message_type
        if inner is not None and inner.name in _HOLDERS:
            yield from _tensors(view, inner, field.start, field.end)


def _fields(view: memoryview, message: Any, at: int, end: int) -> Iterator[_Field]:  # noqa: ANN401 - same reason
    while at < end:
        begin = at
        key, at = _varint(view, at)
        wire, known = key & _WIRE, None
        if wire == _BYTES:
            length, at = _varint(view, at)
            known = message.fields_by_number.get(key >> _WIRE_BITS)
            after = at + length
        elif wire == _VARINT:
            _, after = _varint(view, at)
        else:
            after = at + _FIXED[wire]
        yield _Field(known, begin, at, after)
        at = after


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """A number, and the place after it."""
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & ~_MORE) << shift
        shift += _BITS
        if byte < _MORE:
            return value, at


def _parsed(view: memoryview, fields: list[_Field]) -> tuple[TensorProto, _Field | None]:
    """A tensor without its numbers, and the field that holds them."""
    numbers = [field for field in fields if field.known and field.known.name in _DATA]
    rest = b"".join(view[f.begin : f.end] for f in fields if f not in numbers)
    return TensorProto.FromString(rest), numbers[0] if len(numbers) == 1 else None


def _place(tensor: TensorProto, start: int, end: int) -> Place:
    """The numbers of a tensor; as bytes where they are packed closer than numpy has them."""
    shape = tuple(tensor.dims)
    width = 1
    if tensor.data_type != TensorProto.STRING:
        width = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    if width > _WIDEST or math.prod(shape) * width != end - start:
        return of_tensor(start, (end - start,), 1, is_float32=False)
    return of_tensor(start, shape, width, is_float32=tensor.data_type == TensorProto.FLOAT)
