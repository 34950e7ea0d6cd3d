"""The members of tar files that nobody vouches for: where they lie, without unpacking anything.

Headers are read as POSIX (ustar, pax) and GNU tar write them. Only regular files are given, and
directories passed over: links, devices and sparse files are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lathe_worker.data.refusal import invalid

BLOCK = 512
_MOST_EXTENDED = 1 << 16
"""Most bytes of a header that extends another: a long name, a precise time."""
_REGULAR = frozenset({b"0", b"\0", b"7"})
_DIRECTORY = b"5"
_PAX, _PAX_FOR_ALL, _LONG_NAME = b"x", b"g", b"L"
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"K": "a link with a long target",
    b"S": "a sparse file",
}
_RECORD = re.compile(rb"(\d{1,5}) ([^=]+)=")


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in a tar file.

    Attributes:
        name: Its path.
        start: Bytes before its content.
        size: Bytes of its content.
    """

    name: str
    start: int
    size: int


def members(file: Path, called: str) -> Iterator[Member]:
    """Yield every regular file, in order.

    Args:
        file: The tar file, without compression.
        called: How messages name it.

    Raises:
        BadInput: InvalidDataset, for what is no tar file, is cut off, or holds what is no file.
    """
    end = file.stat().st_size
    with file.open("rb") as stream:
        try:
            yield from _Walk(stream, end).members()
        except ValueError as error:
            raise invalid(called, str(error)) from error


class _Walk:
    """One way through a tar file, from header to header."""

    def __init__(self, stream: IO[bytes], end: int) -> None:
        self._stream = stream
        self._end = end
        self._at = 0
        self._said: dict[str, str] = {}  # of the next member, by headers that extend its own

    def members(self) -> Iterator[Member]:
        while header := self._header():
            kind, size = header[156:157], _number(header[124:136])
            size = int(self._said.pop("size", size))
            start, self._at = self._at, self._at + -(-size // BLOCK) * BLOCK
            if start + size > self._end:
                raise ValueError(f"is cut off: its last member has {size} bytes, but not all here")
            if kind in {_PAX, _PAX_FOR_ALL, _LONG_NAME}:
                self._extend(kind, start, size)
                continue
            name = self._said.pop("path", None) or _name(header)
            self._said.clear()
            if kind == _DIRECTORY:
                continue
            _require_plain(name, kind)
            yield Member(name, start, size)

    def _header(self) -> bytes:
        """The next header; empty at the end, which is a block of zeros, or nothing."""
        header = self._read(self._at, BLOCK)
        if not header.strip(b"\0"):
            if self._at == 0:
                raise ValueError("is no tar file: it is empty")
            return b""
        if len(header) < BLOCK or not _sums_up(header):
            what = "is no tar file" if self._at == 0 else "is cut off or damaged"
            hint = "; shards are tar files without compression" if self._at == 0 else ""
            raise ValueError(f"{what}: at byte {self._at} there is no header{hint}")
        self._at += BLOCK
        return header

    def _extend(self, kind: bytes, start: int, size: int) -> None:
        if size > _MOST_EXTENDED:
            raise ValueError(f"has a header of {size} bytes; up to {_MOST_EXTENDED} are read")
        content = self._read(start, size)
        if kind == _LONG_NAME:
            self._said["path"] = _text(content)
            return
        said = dict(_records(content))
        if sparse := [key for key in said if key.startswith("GNU.sparse")]:
            raise ValueError(f"holds a sparse file ({sparse[0]}): write it without holes")
        if kind == _PAX:
            self._said |= {key: said[key] for key in ("path", "size") if key in said}

    def _read(self, at: int, size: int) -> bytes:
        self._stream.seek(at)
        return self._stream.read(size)


def _require_plain(name: str, kind: bytes) -> None:
    """Refuse what is no regular file, and names that lead elsewhere.

    Nothing is ever written under a member's name; such a file was made to do harm.
    """
    if kind not in _REGULAR:
        what = _KINDS.get(kind, f"of kind {kind!r}")
        raise ValueError(f"the member {name} is {what}; only files are read")
    parts = name.split("/")
    if not parts[0] or ".." in parts or parts[-1] in {"", "."}:
        raise ValueError(f"the member {name} leads out of the archive: write it with plain names")


def _sums_up(header: bytes) -> bool:
    """Whether a header's checksum is right: of all bytes, its own taken as spaces."""
    try:
        said = _number(header[148:156])
    except ValueError:
        return False
    return sum(header[:148]) + 8 * ord(" ") + sum(header[156:]) == said


def _number(field: bytes) -> int:
    """A number in octal digits, or in base 256 where the first bit is set."""
    if field[0] & 0x80:
        found = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40 or found > 1 << 62:
            raise ValueError("a header holds a number that is below 0, or too large")
        return found
    digits = field.replace(b"\0", b" ").strip()
    if not re.fullmatch(rb"[0-7]*", digits):
        raise ValueError("a header holds what is no number")
    return int(digits or b"0", 8)


def _name(header: bytes) -> str:
    name, prefix = _text(header[:100]), ""
    if header[257:263] == b"ustar\0":
        prefix = _text(header[345:500])
    return f"{prefix}/{name}" if prefix else name


def _text(content: bytes) -> str:
    return content.partition(b"\0")[0].decode(errors="backslashreplace")


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    """The records of a pax header: `length key=value`, each with a line end."""
    at = 0
    while at < len(content):
        found = _RECORD.match(content, at)
        if not found or int(found[1]) <= found.end() - at or at + int(found[1]) > len(content):
            raise ValueError("has a pax header that is damaged")
        end = at + int(found[1])
        key, value = found[2].decode(errors="replace"), content[found.end() : end - 1]
        text = value.decode(errors="backslashreplace")
        if key == "size" and not re.fullmatch(r"[0-9]{1,18}", text):
            raise ValueError("has a pax header with a size that is none")
        yield key, text
        at = end
