"""Where the data of a tensor lies that is not in the ONNX file itself."""

from typing import BinaryIO, NamedTuple

import onnx
from onnx import external_data_helper

_CHUNK = 1 << 24


class Place(NamedTuple):
    """Bytes of a file beside the model.

    Attributes:
        location: The file, as the model spells it.
        offset: The first byte.
        length: How many; None means up to the end.
    """

    location: str
    offset: int
    length: int | None


def place_of(tensor: onnx.TensorProto) -> Place | None:
    """Where the data of a tensor lies, or None when it is in the model's file.

    Raises:
        ValueError: When the model gives no numbers for the place.
    """
    if not external_data_helper.uses_external_data(tensor):
        return None
    said = {entry.key: entry.value for entry in tensor.external_data}
    length = int(said["length"]) if "length" in said else None
    return Place(said.get("location", ""), int(said.get("offset", 0)), length)


def append(source: BinaryIO, place: Place, target: BinaryIO) -> Place:
    """Copy the data of one tensor to the end of another file, without holding it in memory.

    Returns:
        Where it lies now; the location stays.
    """
    begin = target.tell()
    end = source.seek(0, 2) if place.length is None else place.offset + place.length
    source.seek(place.offset)
    while (left := end - source.tell()) > 0:
        target.write(source.read(min(left, _CHUNK)))
    return Place(place.location, begin, target.tell() - begin)


def put(tensor: onnx.TensorProto, place: Place) -> None:
    """Say that the data of a tensor lies there."""
    tensor.data_location = onnx.TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in place._asdict().items():
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
