"""An image registry in the cluster's network, by plain http; what it holds outlives the cluster."""

import http.client
from pathlib import Path

import yaml

from e2e.localcluster import documents
from e2e.localcluster.network import NAMESPACE, NODE_ADDRESS
from e2e.localcluster.processes import Processes

ADDRESS = f"{NODE_ADDRESS}:5000"
_MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)


def start(processes: Processes, folder: Path, storage: Path) -> None:
    """Starts docker-registry on ADDRESS over `storage` and waits for its answer."""
    config = folder / "registry.yaml"
    storage.mkdir(parents=True, exist_ok=True)
    document = documents.registry(address=ADDRESS, storage=storage)
    config.write_text(yaml.safe_dump(document), "utf-8")
    processes.start("registry", ["docker-registry", "serve", config], namespace=NAMESPACE)
    processes.await_ready("registry", answers, seconds=30)


def answers() -> bool:
    """Whether the registry is up."""
    return _head("/v2/") == http.client.OK


def holds(name: str, tag: str) -> bool:
    """Whether the image `name:tag` was pushed."""
    return _head(f"/v2/{name}/manifests/{tag}") == http.client.OK


def reference(name: str, tag: str) -> str:
    """What a pod names as its image."""
    return f"{ADDRESS}/{name}:{tag}"


def _head(path: str) -> int:
    connection = http.client.HTTPConnection(ADDRESS, timeout=5)
    try:
        connection.request("HEAD", path, headers={"Accept": _MANIFEST_TYPES})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
