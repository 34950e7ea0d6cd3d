"""Files that have their final name only once they are whole."""

import errno
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lathe_api.v1alpha1.spec import Digest
from lathe_steps.errors import Internal, Stopped, Transient
from lathe_steps.reasons import Reason

CHUNK = 256 * 1024
"""How many bytes are moved at a time: enough to drown the cost of a call, few enough to stay in
the processor's cache between being read, hashed and written."""

_CLOSED = -1
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_PREALLOCATION = (errno.EOPNOTSUPP, errno.EINVAL)


class NewFile:
    """A file in the making: written at any offset by any thread, then committed or discarded.

    Its space is taken at once, so that a full disk is known before the first byte is moved. As a
    context it discards itself unless it was committed. A process that is killed leaves no half of
    a file under the name; nothing is forced to the disk, so what a power failure does to a file
    is told by its digest.

    Every method raises Transient DiskFull, naming the file, when there is no room.
    """

    def __init__(self, path: Path, size: int, *, staging: Path | None = None) -> None:
        """Begin `path`; until it is whole it lies in `staging`, by default its own folder."""
        self.path = path
        with on_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = staging or path.parent
            folder.mkdir(parents=True, exist_ok=True)
            self._temporary = folder / f".lathe-{secrets.token_hex(8)}.part"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self._temporary, flags, 0o666)
        self._committed = False
        try:
            with on_disk(path):
                _reserve(self._fd, size)
        except Stopped:
            self.discard()
            raise

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `offset`."""
        rest = memoryview(data)
        with on_disk(self.path):
            while rest:
                written = os.pwrite(self._fd, rest, offset)
                offset += written
                rest = rest[written:]

    def chunks(self, start: int, end: int) -> Iterator[memoryview]:
        """Read [start, end) back, through one buffer: each chunk is valid until the next."""
        buffer = memoryview(bytearray(min(CHUNK, end - start)))
        while start < end:
            with on_disk(self.path):
                count = os.preadv(self._fd, [buffer[: end - start]], start)
            if count == 0:
                raise Internal(f"{self.path} became shorter while it was written; do not touch it")
            yield buffer[:count]
            start += count

    def commit(self) -> None:
        """Give the file its name, replacing what bore it."""
        with on_disk(self.path):
            self._close()
            self._temporary.replace(self.path)
        self._committed = True

    def discard(self) -> None:
        """Leave nothing behind. After a commit this does nothing."""
        if self._committed:
            return
        with suppress(OSError):  # the reason for discarding is the news, not this
            self._close()
            self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._fd != _CLOSED:
            fd, self._fd = self._fd, _CLOSED  # nobody writes to whatever gets this number next
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()


def digest_of(path: Path) -> Digest:
    """Hash a file, in little memory."""
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK))
    with on_disk(path), path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            sha256.update(buffer[:size])
    return f"sha256:{sha256.hexdigest()}"


@contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Say which file it was, and what to do, when the operating system refuses.

    Raises:
        Transient: DiskFull, when there is no room.
        Internal: Anything else, such as a read-only file system.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Transient(
                f"no room to write {path}: {error.strerror}; "
                "give the workspace more (spec.worker.workspace.size), or free the disk",
                reason=Reason.DISK_FULL,
            ) from error
        raise Internal(
            f"{path}: {error.strerror}; make it readable and its folder writable",
            reason=Reason.INTERNAL_ERROR,
        ) from error


def _reserve(fd: int, size: int) -> None:
    if size == 0:
        return
    if sys.platform == "linux":
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in _NO_PREALLOCATION:
                raise
        else:
            return
    os.ftruncate(fd, size)
