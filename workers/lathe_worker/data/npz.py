"""Reading NPZ files that nobody vouches for: zip archives of numpy arrays, never of pickles."""

import shutil
import zipfile
import zlib
from pathlib import Path

from lathe_steps.errors import BadInput
from lathe_worker.data import npy
from lathe_worker.data.bombs import Budget
from lathe_worker.data.columns import Stored
from lathe_worker.data.refusal import invalid

_SUFFIX = ".npy"
_MOST_ARRAYS = 1024
_CHUNK = 1 << 20
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile and numpy raise for what is cut off, damaged, encrypted, or of another format."""


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

    def unpack(self, name: str, to: Path) -> Stored:
        """Write one array to a new file.

        Raises:
            BadInput: InvalidDataset, when it is no array of numbers, or not of its declared size.
        """
        member = self._members[name]
        try:
            with zipfile.ZipFile(self._file) as archive, archive.open(member) as stream:
                header = npy.read_header(stream.read(npy.HEADER))
            self._check(name, header, member.file_size)
            with (
                zipfile.ZipFile(self._file) as archive,
                archive.open(member) as stream,
                to.open("wb") as out,
            ):
                shutil.copyfileobj(stream, out, _CHUNK)
            header = npy.in_c_order(to, header)
        except _FAULTS as error:
            raise self._refused(f"the array {name} is damaged ({error})") from error
        called = f"{self._called}: the array {name}"
        return Stored(to, header.offset, header.dtype, header.shape, called)

    def _named(self, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        if not 0 < len(members) <= _MOST_ARRAYS:
            raise self._refused(f"has {len(members)} members; 1 to {_MOST_ARRAYS} arrays are read")
        remedy = "save it without compression (numpy.savez)"
        budget = Budget(self._file.stat().st_size, self._called, remedy)
        budget.spend(sum(member.file_size for member in members))
        named: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = member.filename.removesuffix(_SUFFIX)
            if name == member.filename or name in named:
                fault = "comes twice" if name in named else "is no .npy array"
                raise self._refused(f"the member {member.filename} {fault}")
            named[name] = member
        return named

    def _check(self, name: str, header: npy.Header, size: int) -> None:
        try:
            npy.require_numbers(header)
        except ValueError as error:
            raise self._refused(f"the array {name}: {error}") from error
        if not header.shape:
            raise self._refused(f"the array {name} has no axis; the first axis is the sample")
        if header.size != size:
            raise self._refused(
                f"the array {name} says that it has {header.size} bytes, but has {size}"
            )

    def _refused(self, why: str) -> BadInput:
        return invalid(self._called, why)
