"""The port to storage: objects at s3://bucket/key, whatever lies behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from lathe_api.v1alpha1.spec import Digest
from lathe_steps.errors import BadInput, Transient
from lathe_steps.reasons import Reason

Progress = Callable[[int], None]
"""Told how many bytes of a call are done so far: from any thread, one call at a time, and from 0
again where a download starts once more. It had better not raise: that fails the transfer."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object, as storage described it.

    Attributes:
        uri: Its full address.
        name: Its key below the prefix that was asked about, else the last segment of its key.
        size: Its bytes.
        etag: Names this version; only storage knows how it is made.
    """

    uri: str
    name: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """An object and a file that were found to hold the same bytes.

    Attributes:
        object: The object that was read or written.
        path: The file.
        digest: sha256 of every byte that went over.
    """

    object: StoredObject
    path: Path
    digest: Digest


class Store(Protocol):
    """Objects in storage. Every method may be called from any thread.

    All raise what the worker ends with (`lathe_steps.errors`), naming the object or file:
    BadInput ObjectNotFound, EmptyPrefix, AccessDenied, UnsafeObjectName, ObjectTooLarge,
    StorageRefused or DigestMismatch; Transient StorageUnavailable, ObjectChanged or DiskFull;
    InvalidSpec for what is no address, or for an endpoint that is not to be trusted.
    """

    def stat(self, uri: str) -> StoredObject:
        """Look at one object; needs no right to list its bucket."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether there is such an object. Not being allowed to know is AccessDenied."""
        ...

    def list(self, prefix: str) -> tuple[StoredObject, ...]:
        """Every object below a prefix that ends in '/', at least one, ordered by key.

        Empty objects are objects. Markers of folders (empty, with a key that ends in '/') are not.
        """
        ...

    def download(
        self,
        source: str | StoredObject,
        to: Path,
        *,
        expect: Digest | None = None,
        progress: Progress | None = None,
    ) -> Transfer:
        """Copy one object to a file, which appears under its name whole or not at all.

        A StoredObject is that version or ObjectChanged. An address is whatever is there now: when
        the object is replaced meanwhile, the download starts once more. With `expect`, other bytes
        are DigestMismatch.
        """
        ...

    def download_all(
        self, objects: Sequence[StoredObject], into: Path, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        """Copy listed objects to `into`/`name`, in parallel, each as `download` does.

        When one fails, the call fails; files that were whole by then stay.
        """
        ...

    def upload(self, path: Path, uri: str, *, progress: Progress | None = None) -> Transfer:
        """Copy a file to an object, which is replaced whole or not at all."""
        ...

    def upload_all(
        self, folder: Path, prefix: str, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        """Copy every file below `folder` to the prefix, in parallel, ordered by name.

        Links and other things that are no files are refused as Internal: a step made them.
        """
        ...

    def read_bytes(self, uri: str, *, limit: int) -> bytes:
        """Read a small object; one of more than `limit` bytes is BadInput ObjectTooLarge."""
        ...

    def write_bytes(self, uri: str, data: bytes) -> StoredObject:
        """Write a small object."""
        ...

    def remove(self, objects: Sequence[StoredObject]) -> None:
        """Remove objects, whatever their version; one that is not there is as good."""
        ...

    def swap_bytes(
        self, uri: str, data: bytes, *, over: StoredObject | None
    ) -> StoredObject | None:
        """Write a small object if what is there is still `over`; with None, if nothing is.

        Gives None, and has written nothing, where something else is there. When the answer is lost
        and the request repeated, that may be what was written. A server that refuses conditions on
        writes is StorageRefused; one that does not know them writes all the same.
        """
        ...

    def age(self, uri: str) -> float:
        """Seconds since an object was written, by the clock of storage alone."""
        ...


class Tally:
    """Adds up the bytes of a call for its `progress`, from any thread."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = 0
        self._lock = Lock()

    def add(self, amount: int) -> None:
        """Count `amount` more bytes; fewer, when some have to be sent again."""
        if self._progress is None:
            return
        with self._lock:
            self._done += amount
            self._progress(self._done)


def once_more(download: Callable[[], Transfer]) -> Transfer:
    """Download, and once more if the object was replaced meanwhile."""
    try:
        return download()
    except Transient as stopped:
        if stopped.reason is not Reason.OBJECT_CHANGED:
            raise
        return download()


def is_there(look: Callable[[], StoredObject]) -> bool:
    """Whether looking at an object finds it; any failure but its absence goes through."""
    try:
        look()
    except BadInput as stopped:
        if stopped.reason is not Reason.OBJECT_NOT_FOUND:
            raise
        return False
    return True


def require(expect: Digest | None, digest: Digest, uri: str) -> None:
    """Refuse bytes that are not the expected ones, as BadInput DigestMismatch."""
    if expect is not None and digest != expect:
        raise BadInput(
            f"{uri} is {digest}, not {expect} as expected; "
            "restore the object, or change the digest that is asked for",
            reason=Reason.DIGEST_MISMATCH,
        )


def not_found(uri: str, what: str = "there is no such object") -> BadInput:
    """Nothing is at `uri`."""
    return BadInput(
        f"{uri}: {what}; check bucket and key, and end the address of a prefix in '/'",
        reason=Reason.OBJECT_NOT_FOUND,
    )


def empty(uri: str) -> BadInput:
    """No object is below the prefix `uri`."""
    return BadInput(
        f"{uri} holds no object; upload to it, or name another prefix", reason=Reason.EMPTY_PREFIX
    )


def too_large(uri: str, size: int, limit: int) -> BadInput:
    """More is at `uri` than may be held in memory."""
    return BadInput(
        f"{uri} has {size} bytes where at most {limit} are read; restore or remove the object",
        reason=Reason.OBJECT_TOO_LARGE,
    )


def changed(uri: str) -> Transient:
    """`uri` is another version than the one that was looked at."""
    return Transient(
        f"{uri} was replaced while it was read; keep it unchanged during a run, and run again",
        reason=Reason.OBJECT_CHANGED,
    )
