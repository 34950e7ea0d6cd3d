"""The files of a torch artifact, read without torch."""

import json
from pathlib import Path
from typing import NamedTuple

from lathe_steps.base import TensorSpec

WEIGHTS = "model.safetensors"
ARCHITECTURE = "architecture.json"
HEADER_LIMIT = 100 * 1024 * 1024
"""Most bytes of a safetensors header; the format's own limit."""
_LENGTH_BYTES = 8


def read_inputs(folder: Path) -> tuple[TensorSpec, ...]:
    """What the model of a torch artifact takes."""
    document = json.loads((folder / ARCHITECTURE).read_text())
    return tuple(
        TensorSpec(spec["name"], spec["dtype"], tuple(spec["shape"])) for spec in document["inputs"]
    )


class Entry(NamedTuple):
    """A tensor in a safetensors file: its type as the format spells it, and its shape."""

    dtype: str
    shape: tuple[int, ...]


def read_header(file: Path) -> dict[str, Entry]:
    """The header of a safetensors file: what tensors it holds, by name.

    Raises:
        ValueError: When the file is no safetensors file, with one line for the user.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES or length > min(HEADER_LIMIT, size - _LENGTH_BYTES):
            raise ValueError("it does not begin with a safetensors header")
        header = stream.read(length)
    try:
        return {
            name: Entry(str(entry["dtype"]), tuple(map(int, entry["shape"])))
            for name, entry in json.loads(header).items()
            if name != "__metadata__"
        }
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError("its header is no list of tensors") from error
