"""An S3 server in a pod of the cluster, for clusters that have none beside them."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from e2e.demo.kubectl import Kubectl
from e2e.localcluster.documents import s3_identities
from e2e.localcluster.processes import wait_until

NAMESPACE = "lathe-demo-s3"
PORT = 9000
ACCESS_KEY, SECRET_KEY = "lathe", "lathe-demo"  # a server that is gone with the demo
LABELS = {"app.kubernetes.io/name": "lathe-demo-s3"}


@dataclass(frozen=True)
class Storage:
    """An S3 server: where pods reach it, and where this process does."""

    endpoint: str
    outside: str
    access_key: str
    secret_key: str


@contextmanager
def running(kubectl: Kubectl, image: str) -> Iterator[Storage]:
    """Start the server, and reach it through a port of this machine while the context lasts."""
    kubectl.apply(*manifests(image))
    kubectl("rollout", "status", f"--namespace={NAMESPACE}", "deployment/s3", "--timeout=180s")
    port = _free_port()
    forward = kubectl.command(
        "port-forward", f"--namespace={NAMESPACE}", "service/s3", f"{port}:{PORT}"
    )
    with subprocess.Popen(forward, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _listens(port), "the S3 server's forwarded port", seconds=30)
            # by its address, which clusters without DNS have too
            service = kubectl.get("service", "s3", f"--namespace={NAMESPACE}")
            inside = f"http://{service['spec']['clusterIP']}:{PORT}"
            yield Storage(inside, f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY)
        finally:
            process.terminate()


def manifests(image: str) -> list[dict[str, Any]]:
    """A namespace with a Deployment of one pod, its identities and its Service."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    identities = json.dumps(s3_identities(ACCESS_KEY, SECRET_KEY))
    inside = {"namespace": NAMESPACE}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": restricted},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "identities", **inside},
            "stringData": {"identities.json": identities},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "s3", **inside},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": _pod(image)},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s3", **inside},
            "spec": {"selector": LABELS, "ports": [{"port": PORT}]},
        },
    ]


def _pod(image: str) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "s3",
                "image": image,
                "ports": [{"containerPort": PORT}],
                "readinessProbe": {"tcpSocket": {"port": PORT}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": "data", "mountPath": "/tmp"},  # noqa: S108 - of the pod
                    {"name": "identities", "mountPath": "/etc/s3"},
                ],
            }
        ],
        "volumes": [
            {"name": "data", "emptyDir": {"sizeLimit": "4Gi"}},
            {"name": "identities", "secret": {"secretName": "identities"}},
        ],
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
