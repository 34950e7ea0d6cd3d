"""Reading NPZ files that nobody vouches for: zip archives of numpy arrays, never of pickles."""

from __future__ import annotations

import io
import math
import shutil
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason

if TYPE_CHECKING:
    import numpy as np

_SUFFIX = ".npy"
_MOST_ARRAYS = 1024
_BOMB_RATIO = 500
"""How often zeros that a user really has may be packed; deflate can do no more than 1,032."""
_BOMB_BYTES = 1 << 30
"""Up to here, a bomb does no harm."""
_NUMBERS = "biuf"
_HEADER = 1 << 14
_CHUNK = 1 << 20
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile and numpy raise for what is cut off, damaged, encrypted, or of another format."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an array says of itself.

    Attributes:
        shape: A size per axis.
        dtype: Type of its elements.
        offset: Bytes before the first element.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def size(self) -> int:
        """Bytes of header and elements."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """The arrays of an NPZ file, by name; each is unpacked when it is asked for.

    Raises:
        BadInput: InvalidDataset, for what is no such file, and for one that unpacks to far more
            than it holds.
    """

    def __init__(self, file: Path, called: str) -> None:
        """Open a file; `called` is how messages name it."""
        self._file = file
        self._called = called
        try:
            with zipfile.ZipFile(file) as archive:
                self._members = self._named(archive.infolist())
        except _FAULTS as error:
            raise self._refused(f"is no NPZ file, or is cut off ({error})") from error

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays, in the order of the file."""
        return tuple(self._members)

    def unpack(self, name: str, to: Path) -> np.ndarray:
        """Write one array to a new file, and map it into memory.

        Raises:
            BadInput: InvalidDataset, when it is no array of numbers, or not of its declared size.
        """
        import numpy as np  # noqa: PLC0415 - only the child touches samples

        member = self._members[name]
        try:
            with zipfile.ZipFile(self._file) as archive, archive.open(member) as stream:
                header = _read_header(stream.read(_HEADER))
            self._check(name, header, member.file_size)
            with (
                zipfile.ZipFile(self._file) as archive,
                archive.open(member) as stream,
                to.open("wb") as out,
            ):
                shutil.copyfileobj(stream, out, _CHUNK)
            found: np.ndarray = np.load(to, mmap_mode="r", allow_pickle=False)
        except _FAULTS as error:
            raise self._refused(f"the array {name} is damaged ({error})") from error
        return found

    def _named(self, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        if not 0 < len(members) <= _MOST_ARRAYS:
            raise self._refused(f"has {len(members)} members; 1 to {_MOST_ARRAYS} arrays are read")
        unpacked, packed = sum(m.file_size for m in members), self._file.stat().st_size
        if unpacked > max(_BOMB_BYTES, _BOMB_RATIO * packed):
            raise self._refused(
                f"unpacks to {unpacked} bytes, {unpacked // packed} times its size: "
                "save it without compression (numpy.savez)"
            )
        named: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = member.filename.removesuffix(_SUFFIX)
            if name == member.filename or name in named:
                fault = "comes twice" if name in named else "is no .npy array"
                raise self._refused(f"the member {member.filename} {fault}")
            named[name] = member
        return named

    def _check(self, name: str, header: Header, size: int) -> None:
        if header.dtype.kind not in _NUMBERS:
            raise self._refused(
                f"the array {name} holds {header.dtype}, not numbers: "
                "save numbers (pickled objects are never read)"
            )
        if not header.shape:
            raise self._refused(f"the array {name} has no axis; the first axis is the sample")
        if header.size != size:
            raise self._refused(
                f"the array {name} says that it has {header.size} bytes, but has {size}"
            )

    def _refused(self, why: str) -> BadInput:
        return BadInput(f"{self._called}: {why}", reason=Reason.INVALID_DATASET)


def _read_header(start: bytes) -> Header:
    """Parse the start of an .npy file.

    Raises:
        ValueError: When it is none.
    """
    from numpy.lib import format as npy  # noqa: PLC0415 - only the child touches samples

    stream = io.BytesIO(start)
    first = npy.read_magic(stream) == (1, 0)
    read = npy.read_array_header_1_0 if first else npy.read_array_header_2_0
    try:
        shape, _, dtype = read(stream)
    except (tokenize.TokenError, SyntaxError, MemoryError) as error:
        # numpy lets Python parse it, which gives up on what is nested without end
        raise ValueError("its header cannot be read") from error
    return Header(shape, dtype, stream.tell())
