"""Objects in S3: the port's real thing."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import IncompleteReadError
from s3transfer.subscribers import BaseSubscriber

from lathe_api.v1alpha1.spec import Digest
from lathe_steps.errors import BadInput, Transient
from lathe_steps.reasons import Reason
from lathe_worker.addresses import Address, files_under, name_under, places
from lathe_worker.newfile import digest_of, on_disk
from lathe_worker.s3.client import client, encryption
from lathe_worker.s3.faults import Faults
from lathe_worker.s3.settings import S3Settings
from lathe_worker.store import (
    Progress,
    StoredObject,
    Tally,
    Transfer,
    changed,
    empty,
    is_there,
    once_more,
    too_large,
)
from lathe_worker.transfer import Wanted, fetch

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef
    from s3transfer.futures import TransferFuture
    from s3transfer.manager import TransferManager

_MIB: Final = 1024 * 1024
_SMALL: Final = 4 * _MIB  # up to here a file is sent from memory, by one request
_PART: Final = 16 * _MIB


class _Pinned(TypedDict, total=False):
    """What of an object, and which version of it, is read."""

    IfMatch: str
    Range: str


class S3Store:
    """Objects in S3 or what speaks like it; see `Store` for what it promises.

    Reads are retried here, since only here is it known how far they came; parts of uploads are
    retried by botocore. `close` ends the connections.
    """

    def __init__(self, settings: S3Settings) -> None:
        """Prepare to speak to S3; nothing is sent yet.

        Raises:
            InvalidSpec: The settings make no client.
        """
        self._settings = settings
        self._faults = Faults(settings)
        self._client = client(settings)  # of one attempt: what to repeat is decided here

    def close(self) -> None:
        """End all connections; the store is of no use afterwards."""
        self._client.close()
        if "_uploader" in vars(self):
            self._uploader.close()

    def stat(self, uri: str) -> StoredObject:
        """See `Store.stat`."""
        address = Address.of_object(uri)
        ask = partial(self._client.head_object, Bucket=address.bucket, Key=address.key)
        found = self._faults.asked(uri, ask)
        return StoredObject(uri, address.name, found["ContentLength"], found.get("ETag", ""))

    def exists(self, uri: str) -> bool:
        """See `Store.exists`."""
        return is_there(lambda: self.stat(uri))

    def list(self, prefix: str) -> tuple[StoredObject, ...]:
        """See `Store.list`."""
        address = Address.of_prefix(prefix)
        found = [
            StoredObject(
                uri=f"s3://{address.bucket}/{one['Key']}",
                name=name_under(address, one["Key"]),
                size=one["Size"],
                etag=one.get("ETag", ""),
            )
            for one in self._listed(address)
            if one["Size"] or not one["Key"].endswith("/")
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
            return self._download(source, to, expect, progress)
        return once_more(lambda: self._download(self.stat(source), to, expect, progress))

    def download_all(
        self, objects: Sequence[StoredObject], into: Path, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        """See `Store.download_all`."""
        files = places(into, [one.name for one in objects])
        wanted = [self._wanted(one, to, None) for one, to in zip(objects, files, strict=True)]
        digests = fetch(wanted, connections=self._settings.connections, progress=progress)
        return tuple(map(Transfer, objects, files, digests))

    def upload(self, path: Path, uri: str, *, progress: Progress | None = None) -> Transfer:
        """See `Store.upload`."""
        address = Address.of_object(uri)
        return self._uploaded([_Outgoing(path, uri, address.name)], progress)[0]

    def upload_all(
        self, folder: Path, prefix: str, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        """See `Store.upload_all`."""
        below = Address.of_prefix(prefix)
        files = [_Outgoing(path, below.uri + name, name) for name, path in files_under(folder)]
        return self._uploaded(files, progress)

    def read_bytes(self, uri: str, *, limit: int) -> bytes:
        """See `Store.read_bytes`."""
        address = Address.of_object(uri)

        def read() -> bytes:
            found = self._client.get_object(Bucket=address.bucket, Key=address.key)
            with closing(found["Body"]) as body:
                if found["ContentLength"] > limit:
                    raise too_large(uri, found["ContentLength"], limit)
                return body.read()

        return self._faults.asked(uri, read)

    def write_bytes(self, uri: str, data: bytes) -> StoredObject:
        """See `Store.write_bytes`."""
        address = Address.of_object(uri)
        put = partial(
            self._client.put_object,
            Bucket=address.bucket,
            Key=address.key,
            Body=data,
            **encryption(self._settings),
        )
        written = self._faults.asked(uri, put)
        return StoredObject(uri, address.name, len(data), written.get("ETag", ""))

    def remove(self, objects: Sequence[StoredObject]) -> None:
        """See `Store.remove`."""
        with ThreadPoolExecutor(self._settings.connections, thread_name_prefix="remove") as threads:
            removing = [threads.submit(self._remove, one.uri) for one in objects]
            try:
                for one in removing:
                    one.result()
            finally:
                for one in removing:
                    one.cancel()

    def _remove(self, uri: str) -> None:
        address = Address.of_object(uri)
        ask = partial(self._client.delete_object, Bucket=address.bucket, Key=address.key)
        self._faults.asked(uri, ask)

    def swap_bytes(
        self, uri: str, data: bytes, *, over: StoredObject | None
    ) -> StoredObject | None:
        """See `Store.swap_bytes`."""
        address = Address.of_object(uri)
        condition: dict[str, Any] = {"IfMatch": over.etag} if over else {"IfNoneMatch": "*"}
        put = partial(
            self._client.put_object,
            Bucket=address.bucket,
            Key=address.key,
            Body=data,
            **condition,
            **encryption(self._settings),
        )
        try:
            written = self._faults.asked(uri, put)
        except Transient as stopped:
            if stopped.reason is not Reason.OBJECT_CHANGED:
                raise
            return None
        except BadInput as stopped:
            if over is None or stopped.reason is not Reason.OBJECT_NOT_FOUND:
                raise
            return None
        return StoredObject(uri, address.name, len(data), written.get("ETag", ""))

    def age(self, uri: str) -> float:
        """See `Store.age`."""
        address = Address.of_object(uri)
        ask = partial(self._client.head_object, Bucket=address.bucket, Key=address.key)
        found = self._faults.asked(uri, ask)
        told = found["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(told) if told else found["LastModified"]
        return max(0.0, (now - found["LastModified"]).total_seconds())

    def _listed(self, prefix: Address) -> Iterator["ObjectTypeDef"]:
        ask = partial(self._client.list_objects_v2, Bucket=prefix.bucket, Prefix=prefix.key)
        page = self._faults.asked(prefix.uri, ask)
        yield from page.get("Contents", ())
        while token := page.get("NextContinuationToken"):
            page = self._faults.asked(prefix.uri, partial(ask, ContinuationToken=token))
            yield from page.get("Contents", ())

    def _download(
        self, source: StoredObject, to: Path, expect: Digest | None, progress: Progress | None
    ) -> Transfer:
        wanted = [self._wanted(source, to, expect)]
        (digest,) = fetch(wanted, connections=self._settings.connections, progress=progress)
        return Transfer(source, to, digest)

    def _wanted(self, source: StoredObject, to: Path, expect: Digest | None) -> Wanted:
        return Wanted(source.uri, source.size, partial(self._open, source), to, expect)

    def _open(self, source: StoredObject, start: int, end: int) -> "_Body":
        """Begin to read [start, end) of the version that `source` describes, and of no other."""
        address = Address.of_object(source.uri)
        in_part = (start, end) != (0, source.size)
        pinned: _Pinned = {"IfMatch": source.etag} if source.etag else {}
        if in_part:
            pinned["Range"] = f"bytes={start}-{end - 1}"
        with self._faults.named(source.uri):
            found = self._client.get_object(Bucket=address.bucket, Key=address.key, **pinned)
        body = _Body(found["Body"], partial(self._faults.named, source.uri))
        range_given = f"bytes {start}-{end - 1}/{source.size}"
        if source.etag and found.get("ETag") != source.etag:  # not every server heeds If-Match
            body.close()
            raise changed(source.uri)
        if in_part and found.get("ContentRange") != range_given:
            body.close()
            raise self._faults.may_pass(f"it answers other bytes of {source.uri} than asked for")
        return body

    def _uploaded(
        self, files: Sequence["_Outgoing"], progress: Progress | None
    ) -> tuple[Transfer, ...]:
        tally = Tally(progress)
        config = TransferConfig(
            # The other client, awscrt, goes to AWS whatever the endpoint is (boto3 issue 4839).
            preferred_transfer_client="classic",
            max_concurrency=self._settings.connections,
            multipart_threshold=_PART,
            multipart_chunksize=_PART,
        )
        with (
            ThreadPoolExecutor(self._settings.connections, thread_name_prefix="send") as threads,
            create_transfer_manager(self._uploader, config) as manager,
        ):
            sending = [threads.submit(self._upload, file, tally, manager) for file in files]
            try:
                return tuple(one.result() for one in sending)
            finally:
                for one in sending:
                    one.cancel()

    def _upload(self, file: "_Outgoing", tally: Tally, manager: "TransferManager") -> Transfer:
        with on_disk(file.path):
            size = file.path.stat().st_size
        if size <= _SMALL:
            stored, digest = self._sent_whole(file, tally)
        else:
            stored, digest = self._sent_in_parts(file, tally, manager)
        if stored.size != size:
            raise changed(file.uri)
        return Transfer(replace(stored, name=file.name), file.path, digest)

    def _sent_whole(self, file: "_Outgoing", tally: Tally) -> tuple[StoredObject, Digest]:
        with on_disk(file.path):
            data = file.path.read_bytes()
        stored = self.write_bytes(file.uri, data)
        tally.add(len(data))
        return stored, f"sha256:{hashlib.sha256(data).hexdigest()}"

    def _sent_in_parts(
        self, file: "_Outgoing", tally: Tally, manager: "TransferManager"
    ) -> tuple[StoredObject, Digest]:
        address = Address.of_object(file.uri)
        sending = manager.upload(
            str(file.path),
            address.bucket,
            address.key,
            extra_args=encryption(self._settings),
            subscribers=[_Counting(tally)],
        )
        digest = digest_of(file.path)  # meanwhile
        with on_disk(file.path), self._faults.final(file.uri):
            sending.result()
        return self.stat(file.uri), digest

    @cached_property
    def _uploader(self) -> "S3Client":
        return client(self._settings, attempts=self._settings.upload_attempts)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A file on its way to an object, and the name that the object has in the answer."""

    path: Path
    uri: str
    name: str


class _Body:
    """A body whose every fault is one of ours, an early end included."""

    def __init__(
        self, body: "StreamingBody", faults: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._body = body
        self._faults = faults

    def read(self, amount: int, /) -> bytes:
        with self._faults():
            data = self._body.read(amount)
            if not data:
                raise IncompleteReadError(actual_bytes=0, expected_bytes=amount)
            return data

    def close(self) -> None:
        self._body.close()


class _Counting(BaseSubscriber):
    """Passes on how many bytes of an upload went out; fewer than none when a part is repeated."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def on_progress(
        self,
        future: "TransferFuture",  # noqa: ARG002 - the name is the transfer manager's
        bytes_transferred: int,
        **_: object,
    ) -> None:
        self._tally.add(bytes_transferred)
