"""As much of S3 as the store speaks, on loopback, with faults to order."""

import hashlib
import socket
import ssl
import struct
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error of S3."""

    status: int = 503
    code: str = "SlowDown"


@dataclass(frozen=True, slots=True)
class Break:
    """Send so many bytes of the body, then end the connection: reset it, or just close it."""

    after: int = 0
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Shorten:
    """Send so many bytes, and claim that this is all."""

    to: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Send so many bytes, then nothing, until the server ends."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Flip:
    """Send the body with one bit of this byte turned."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class Replace:
    """Have the object replaced just before answering; `heed` says whether If-Match counts."""

    data: bytes
    heed: bool = True


@dataclass(frozen=True, slots=True)
class WholeAnyway:
    """Send the whole object, whatever range was asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """Answer with a web page, as a proxy or another server would."""

    status: int = 200


Fault = Refuse | Break | Shorten | Stall | Flip | Replace | WholeAnyway | Page


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server saw it."""

    operation: str
    key: str
    headers: Mapping[str, str]
    """By their names in lower case."""


@dataclass
class FaultServer:
    """A server that runs.

    Attributes:
        endpoint: Its address.
        objects: What it holds, by bucket/key.
        faults: For HEAD, GET, LIST, PUT, CREATE, PART, COMPLETE and ABORT, what is done to the
            first request, the second…; None, or the end, is nothing.
        seen: Every request so far, in order.
    """

    endpoint: str
    objects: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Iterator[Fault | None]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _noticed: threading.Condition = field(default_factory=threading.Condition)

    def order(self, **faults: Iterable[Fault | None]) -> None:
        """Order faults for operations, in place of those that were ordered before."""
        self.faults = {name: iter(those) for name, those in faults.items()}

    def counts(self) -> Counter[str]:
        """How many requests of each operation came."""
        return Counter(one.operation for one in self.seen)

    def await_seen(self, operation: str, count: int, seconds: float = 20.0) -> None:
        """Wait until so many requests of an operation came."""
        with self._noticed:
            came = self._noticed.wait_for(lambda: self.counts()[operation] >= count, seconds)
        assert came, f"{operation} did not come {count} times: {self.counts()}"

    def notice(self, seen: Seen) -> Fault | None:
        """Take note of a request, and say what is done to it."""
        with self._lock:
            self.seen.append(seen)
            fault = next(self.faults.get(seen.operation, iter(())), None)
        with self._noticed:
            self._noticed.notify_all()
        return fault


@contextmanager
def fault_server(
    objects: Mapping[str, bytes] | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[FaultServer]:
    """Start a server that holds some objects, and end it with all its threads."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "http" if tls is None else "https"
    server.state = FaultServer(f"{scheme}://127.0.0.1:{server.server_port}", dict(objects or {}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.state
    finally:
        server.state.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    state: FaultServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or does not trust us, is nothing to report."""


class _Broken(Exception):  # noqa: N818 - a signal within this module
    """The connection was ended on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    @property
    def state(self) -> FaultServer:
        return cast("_Server", self.server).state

    def log_message(self, *_: object) -> None:
        """Nothing: the requests are in `seen`."""

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_GET(self) -> None:
        self._serve("LIST" if "list-type" in self._query() else "GET")

    def do_PUT(self) -> None:
        self._serve("PART" if "partNumber" in self._query() else "PUT")

    def do_POST(self) -> None:
        self._serve("CREATE" if "uploads" in self._query() else "COMPLETE")

    def do_DELETE(self) -> None:
        self._serve("ABORT")

    def _serve(self, operation: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(operation, self._key(), headers)
        fault = self.state.notice(seen)
        try:
            match fault:
                case Refuse(status, code):
                    self._refuse(status, code)
                case Page(status):
                    self._send(
                        status, b"<html><body>Welcome!</html>", {"Content-Type": "text/html"}
                    )
                case Break() | Stall() if operation not in {"GET", "HEAD"}:
                    self._break(fault)
                case _:
                    getattr(self, f"_{operation.lower()}")(body, fault)
        except _Broken:
            self.close_connection = True

    def _head(self, body: bytes, fault: Fault | None) -> None:
        self._get(body, fault)

    def _get(self, _: bytes, fault: Fault | None) -> None:
        key, heed = self._key(), True
        if isinstance(fault, Replace):
            self.state.objects[key], heed = fault.data, fault.heed
        data = self.state.objects.get(key)
        if data is None:
            self._refuse(404, "NoSuchKey")
        elif heed and self.headers.get("If-Match", _etag(data)) != _etag(data):
            self._refuse(412, "PreconditionFailed")
        else:
            self._send_object(data, fault)

    def _send_object(self, data: bytes, fault: Fault | None) -> None:
        headers, status, part = {"ETag": _etag(data)}, HTTPStatus.OK, data
        asked = self.headers.get("Range")
        if asked is not None and not isinstance(fault, WholeAnyway):
            first, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
            status, part = HTTPStatus.PARTIAL_CONTENT, data[first : last + 1]
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        match fault:
            case Flip(at):
                part = part[:at] + bytes([part[at] ^ 1]) + part[at + 1 :]
            case Shorten(to):
                part = part[:to]
            case Break(after) | Stall(after):
                self._begin(status, len(part), headers)
                self.wfile.write(part[:after])
                self._break(fault)
            case _:
                pass
        self._send(status, part, headers)

    def _list(self, _: bytes, __: Fault | None) -> None:
        prefix = self._query().get("prefix", [""])[0]
        bucket = self._key().rstrip("/")
        found = "".join(
            f"<Contents><Key>{escape(name.removeprefix(bucket + '/'))}</Key>"
            f"<Size>{len(data)}</Size><ETag>{escape(_etag(data))}</ETag></Contents>"
            for name, data in sorted(self.state.objects.items())
            if name.startswith(f"{bucket}/{prefix}")
        )
        self._send_xml(
            200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        )

    def _put(self, body: bytes, _: Fault | None) -> None:
        self.state.objects[self._key()] = body
        self._send(200, b"", {"ETag": _etag(body)})

    def _create(self, _: bytes, __: Fault | None) -> None:
        upload = uuid.uuid4().hex
        self.state.uploads[upload] = {}
        self._send_xml(
            200,
            "<InitiateMultipartUploadResult>"
            f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>",
        )

    def _part(self, body: bytes, _: Fault | None) -> None:
        query = self._query()
        self.state.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = body
        self._send(200, b"", {"ETag": _etag(body)})

    def _complete(self, _: bytes, __: Fault | None) -> None:
        parts = self.state.uploads.pop(self._query()["uploadId"][0], None)
        if parts is None:
            self._refuse(404, "NoSuchUpload")
            return
        data = b"".join(parts[number] for number in sorted(parts))
        self.state.objects[self._key()] = data
        etag = escape(_etag(data))
        self._send_xml(
            200,
            f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>",
        )

    def _abort(self, _: bytes, __: Fault | None) -> None:
        self.state.uploads.pop(self._query()["uploadId"][0], None)
        self._send(204, b"", {})

    def _refuse(self, status: int, code: str) -> None:
        self._send_xml(status, f"<Error><Code>{code}</Code><Message>as ordered</Message></Error>")

    def _send_xml(self, status: int, document: str) -> None:
        self._send(status, document.encode(), {"Content-Type": "application/xml"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._begin(status, len(body), headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def _break(self, fault: Break | Stall) -> None:
        if isinstance(fault, Stall):
            self.state.ended.wait(60)
        elif fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self.rfile.close()
            self.connection.close()
        raise _Broken

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/")


@lru_cache(maxsize=64)
def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
