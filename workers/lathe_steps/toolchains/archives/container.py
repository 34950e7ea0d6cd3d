"""The archive itself: which files it holds, and the blocks that make them."""

import hashlib
import mmap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np

from lathe_steps.toolchains.archives import blocks, places, streams
from lathe_steps.toolchains.archives.places import Place
from lathe_steps.toolchains.archives.reader import Damaged, Reader, number
from lathe_steps.toolchains.archives.streams import Codec

NAME = "model.lathe"
MAGIC = b"LATHE\x01"
"""The last byte is the version of the format."""
FILES = ("architecture.json", "model.safetensors", "model.onnx", "model.onnx.data")
"""Every file that an archive may hold: names are never read from one."""
LARGEST_RATIO = 4096
"""Most bytes that one byte of an archive may stand for."""
_DIGEST = 8
_PIECE = 1 << 24
_LARGEST_FILE = 1 << 50


class Kind(IntEnum):
    """What a block holds."""

    STORED = 0
    """Bytes."""
    ZSTD = 1
    """Bytes in a zstd frame."""
    NUMBERS = 2
    """Numbers of a tensor."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of an archive."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is to be packed, and where numbers lie in it."""

    path: Path
    places: Sequence[Place]


def write(sources: Sequence[Source], archive: Path, codec: Codec) -> Mapping[str, int]:
    """Write an archive.

    Args:
        sources: Files with names of FILES; what is not covered by their places is bytes.
        archive: The file to write.
        codec: What codes streams of numbers.

    Returns:
        Bytes by section: header, positions, codebooks, values, and other (what is no number).
    """
    digest = hashlib.blake2b(digest_size=_DIGEST)
    sections: Counter[str] = Counter()
    head = bytearray(MAGIC)
    head.append(len(sources))
    for source in sources:
        head.append(FILES.index(source.path.name))
        head += number(source.path.stat().st_size)
    with archive.open("wb") as out:
        out.write(head + bytes(_DIGEST))
        for found in _blocks(sources, codec, digest.update):
            out.write(found.data)
            sections += found.sections
        out.seek(len(head))
        out.write(digest.digest())
    sections["header"] += len(head) + _DIGEST
    return sections


class _Run:
    """Bytes between tensors, gathered across files until a tensor comes."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: memoryview) -> Iterator[blocks.Written]:
        for start in range(0, len(data), _PIECE):
            self._data += data[start : start + _PIECE]
            if len(self._data) >= _PIECE:
                yield from self.flush()

    def flush(self) -> Iterator[blocks.Written]:
        """What was gathered, in pieces of at most `_PIECE` bytes."""
        for start in range(0, len(self._data), _PIECE):
            piece = bytes(self._data[start : start + _PIECE])
            frame = streams.compressed(piece)
            short = len(frame) < len(piece)
            done = blocks.Written()
            length = number(len(piece)) + (number(len(frame)) if short else b"")
            done.add("header", bytes([Kind.ZSTD if short else Kind.STORED]) + length)
            done.add("other", frame if short else piece)
            yield done
        self._data.clear()


def _blocks(
    sources: Sequence[Source], codec: Codec, update: Callable[[memoryview], None]
) -> Iterator[blocks.Written]:
    run = _Run()
    for source in sources:
        data, at = _mapped(source.path), 0
        for start in range(0, len(data), _PIECE):
            update(data[start : start + _PIECE])
        for place in places.blocks(source.places):
            yield from run.add(data[at : place.start])
            yield from run.flush()
            yield _numbers(data, place, codec)
            at = place.end
        yield from run.add(data[at:])
    yield from run.flush()


def _numbers(data: memoryview, place: Place, codec: Codec) -> blocks.Written:
    bits = np.frombuffer(data[place.start : place.end], f"<u{place.width}")
    found = blocks.written(blocks.Numbers(bits, place.is_float32, place.columns), codec)
    found.data[:0] = bytes([Kind.NUMBERS])
    found.sections["header"] += 1
    return found


def _mapped(file: Path) -> memoryview:
    """The bytes of a file, which are read as they are looked at, for as long as anybody looks."""
    if not file.stat().st_size:
        return memoryview(b"")
    with file.open("rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


class Archive:
    """An archive that nobody vouches for."""

    def __init__(self, data: memoryview) -> None:
        """Read which files it holds.

        Raises:
            Damaged: When it is no archive.
        """
        reader = Reader(data)
        magic = bytes(reader.take(min(len(MAGIC), reader.left)))
        if magic != MAGIC:
            if magic[:-1] == MAGIC[:-1]:
                raise Damaged(f"it has version {magic[-1]} of the format; this program reads 1")
            raise Damaged("it does not begin as an archive of lathe")
        self.files = tuple(_file(reader) for _ in range(reader.number(len(FILES))))
        self._digest = bytes(reader.take(_DIGEST))
        self._reader = reader
        names = {file.name for file in self.files}
        if not names or len(names) < len(self.files):
            raise Damaged("it holds no file, or one twice")
        self.size = sum(file.size for file in self.files)
        """Bytes of all files."""
        if self.size > LARGEST_RATIO * len(data):
            raise Damaged(f"it says that it holds {self.size} bytes, more than an archive can")

    def pieces(self) -> Iterator[tuple[int, memoryview]]:
        """Bytes of the files in their order, each with the index of its file; once only.

        Raises:
            Damaged: When they are not all there, or are not those that were packed; the latter is
                known only at the end.
        """
        digest = hashlib.blake2b(digest_size=_DIGEST)
        index, left = 0, self.files[0].size
        for block in self._blocks():
            digest.update(block)
            at = 0
            while at < len(block) or (not left and index + 1 < len(self.files)):
                if not left:
                    index, left = index + 1, self.files[index + 1].size
                    continue
                part = block[at : at + left]
                yield index, part
                at, left = at + len(part), left - len(part)
        if digest.digest() != self._digest:
            raise Damaged("it does not hold what was packed: its digest differs")

    def _blocks(self) -> Iterator[memoryview]:
        left = self.size
        while left:
            block = _block(self._reader, left)
            left -= len(block)
            yield block
        if self._reader.left:
            raise Damaged(f"it goes on for {self._reader.left} bytes after its end")


def _file(reader: Reader) -> File:
    kind = reader.byte()
    if kind >= len(FILES):
        raise Damaged(f"it holds a file of the kind {kind}, which there is not")
    return File(FILES[kind], reader.number(_LARGEST_FILE))


def _block(reader: Reader, most: int) -> memoryview:
    kind = reader.byte()
    if kind == Kind.NUMBERS:
        return np.ascontiguousarray(blocks.read(reader, most)).data.cast("B")
    if kind not in {Kind.STORED, Kind.ZSTD}:
        raise Damaged(f"it holds a block of the kind {kind}, which there is not")
    length = reader.number(min(_PIECE, most))
    if not length:
        raise Damaged("a block of it is empty")
    if kind == Kind.STORED:
        return reader.take(length)
    return memoryview(streams.decompressed(reader.take(reader.number(reader.left)), length))


def opened(file: Path) -> Archive:
    """Look into an archive.

    Raises:
        Damaged: When it is none.
    """
    return Archive(_mapped(file))
