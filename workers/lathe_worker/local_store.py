"""Storage in a folder: s3://bucket/key is ROOT/bucket/key, for runs without S3."""

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lathe_api.v1alpha1.spec import Digest
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.addresses import Address, files_under, name_under, places
from lathe_worker.newfile import CHUNK, NewFile, on_disk
from lathe_worker.store import (
    Progress,
    StoredObject,
    Tally,
    Transfer,
    changed,
    empty,
    is_there,
    not_found,
    once_more,
    require,
    too_large,
)

_STAGING = ".lathe"  # no bucket has such a name, so what is half written is nobody's object


class LocalStore:
    """Objects as files below one folder; see `Store` for what it promises.

    Only what really lies below the root is an object: links out of it are AccessDenied, and so
    are links to folders.
    """

    def __init__(self, root: Path) -> None:
        """Keep objects in `root`, which is made when something is written."""
        self._root = root.resolve()

    def stat(self, uri: str) -> StoredObject:
        """See `Store.stat`."""
        with self._opened(Address.of_object(uri)) as (_, found):
            return found

    def exists(self, uri: str) -> bool:
        """See `Store.exists`."""
        return is_there(lambda: self.stat(uri))

    def list(self, prefix: str) -> tuple[StoredObject, ...]:
        """See `Store.list`."""
        address = Address.of_prefix(prefix)
        self._inside(Address(address.bucket, ""))
        found = [
            self._described(Address(address.bucket, key), name_under(address, key))
            for key in self._keys(address)
        ]
        if not found:
            raise empty(prefix)
        return tuple(sorted(found, key=lambda one: one.uri))

    def download(
        self,
        source: str | StoredObject,
        to: Path,
        *,
        expect: Digest | None = None,
        progress: Progress | None = None,
    ) -> Transfer:
        """See `Store.download`."""
        if isinstance(source, StoredObject):
            return self._download(source, to, expect, Tally(progress))
        return once_more(lambda: self._download(self.stat(source), to, expect, Tally(progress)))

    def download_all(
        self, objects: Sequence[StoredObject], into: Path, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        """See `Store.download_all`."""
        tally = Tally(progress)
        files = places(into, [one.name for one in objects])
        return tuple(
            self._download(one, to, None, tally) for one, to in zip(objects, files, strict=True)
        )

    def upload(self, path: Path, uri: str, *, progress: Progress | None = None) -> Transfer:
        """See `Store.upload`."""
        address = Address.of_object(uri)
        return self._upload(path, address, address.name, Tally(progress))

    def upload_all(
        self, folder: Path, prefix: str, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        """See `Store.upload_all`."""
        address, tally = Address.of_prefix(prefix), Tally(progress)
        return tuple(
            self._upload(path, Address(address.bucket, address.key + name), name, tally)
            for name, path in files_under(folder)
        )

    def read_bytes(self, uri: str, *, limit: int) -> bytes:
        """See `Store.read_bytes`."""
        with self._opened(Address.of_object(uri)) as (file, found):
            if found.size > limit:
                raise too_large(uri, found.size, limit)
            return file.read(limit)

    def write_bytes(self, uri: str, data: bytes) -> StoredObject:
        """See `Store.write_bytes`."""
        address = Address.of_object(uri)
        with self._new(address, len(data)) as file:
            file.write_at(0, data)
            file.commit()
        return self._described(address, address.name)

    def remove(self, objects: Sequence[StoredObject]) -> None:
        """See `Store.remove`."""
        for one in objects:
            address = Address.of_object(one.uri)
            path = self._root / address.bucket / address.key
            if not Path(os.path.realpath(path.parent)).is_relative_to(self._root):
                raise _leads_out(address)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise _denied(address, f"{path} cannot be removed") from error

    def swap_bytes(
        self, uri: str, data: bytes, *, over: StoredObject | None
    ) -> StoredObject | None:
        """See `Store.swap_bytes`."""
        with self._locked():
            there = self.stat(uri) if self.exists(uri) else None
            if (there.etag if there else None) != (over.etag if over else None):
                return None
            return self.write_bytes(uri, data)

    def age(self, uri: str) -> float:
        """See `Store.age`."""
        with self._opened(Address.of_object(uri)) as (file, _):
            return max(0.0, time.time() - os.fstat(file.fileno()).st_mtime)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the storage among all that swap; who is killed lets go."""
        lock = self._root / _STAGING / "lock"
        with on_disk(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            with lock.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    def _download(
        self, source: StoredObject, to: Path, expect: Digest | None, tally: Tally
    ) -> Transfer:
        with (
            self._opened(Address.of_object(source.uri)) as (file, found),
            NewFile(to, source.size) as copy,
        ):
            digest = _copied(file, copy, tally)
            if not source.etag == found.etag == _version(os.fstat(file.fileno())):
                raise changed(source.uri)
            require(expect, digest, source.uri)
            copy.commit()
        return Transfer(source, to, digest)

    def _upload(self, path: Path, address: Address, name: str, tally: Tally) -> Transfer:
        with on_disk(path), path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            with self._new(address, size) as copy:
                digest = _copied(file, copy, tally)
                copy.commit()
        return Transfer(self._described(address, name), path, digest)

    def _new(self, address: Address, size: int) -> NewFile:
        path = self._root / address.bucket / address.key
        if not Path(os.path.realpath(path.parent)).is_relative_to(self._root):
            raise _leads_out(address)
        return NewFile(path, size, staging=self._root / _STAGING)

    def _inside(self, address: Address) -> Path:
        """The real path of what is at an address."""
        try:
            path = Path(os.path.realpath(self._root / address.bucket / address.key, strict=True))
        except OSError as error:
            raise not_found(address.uri) from error
        if not path.is_relative_to(self._root):
            raise _leads_out(address)
        return path

    @contextmanager
    def _opened(self, address: Address) -> Iterator[tuple[BinaryIO, StoredObject]]:
        path = self._inside(address)
        if not path.is_file():
            raise not_found(address.uri, "this is no object but a folder")
        try:
            file = path.open("rb", buffering=0)
        except PermissionError as error:
            raise _denied(address, f"{path} is not readable") from error
        with file:
            found = os.fstat(file.fileno())
            yield file, StoredObject(address.uri, address.name, found.st_size, _version(found))

    def _described(self, address: Address, name: str) -> StoredObject:
        found = self._inside(address).stat()
        if not stat.S_ISREG(found.st_mode):
            raise _denied(address, "this is no plain file")
        return StoredObject(address.uri, name, found.st_size, _version(found))

    def _keys(self, prefix: Address) -> Iterator[str]:
        """Every key below the prefix, in no order."""
        bucket = self._root / prefix.bucket
        base = bucket / prefix.key
        if base.is_symlink():
            raise _leads_out(prefix)
        for folder, folders, files in os.walk(base, onerror=_refuse):
            for name in folders:
                if Path(folder, name).is_symlink():
                    key = Path(folder, name).relative_to(bucket).as_posix()
                    raise _leads_out(Address(prefix.bucket, key))
            for name in files:
                yield Path(folder, name).relative_to(bucket).as_posix()


def _copied(file: BinaryIO, copy: NewFile, tally: Tally) -> Digest:
    sha256, offset = hashlib.sha256(), 0
    while data := file.read(CHUNK):
        sha256.update(data)
        copy.write_at(offset, data)
        offset += len(data)
        tally.add(len(data))
    return f"sha256:{sha256.hexdigest()}"


def _version(found: os.stat_result) -> str:
    """What changes when a file is replaced or rewritten."""
    return f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"


def _refuse(error: OSError) -> None:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return  # there is nothing below such a prefix
    raise BadInput(
        f"{error.filename}: {error.strerror}; make the folder readable",
        reason=Reason.ACCESS_DENIED,
    ) from error


def _denied(address: Address, why: str) -> BadInput:
    return BadInput(f"{address.uri}: {why}; make it a readable file", reason=Reason.ACCESS_DENIED)


def _leads_out(address: Address) -> BadInput:
    return BadInput(
        f"{address.uri} is a link, to a folder or out of the storage folder; "
        "put there what it leads to",
        reason=Reason.ACCESS_DENIED,
    )
