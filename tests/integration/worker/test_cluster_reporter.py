"""Progress on a real API server: the worker's own field, under its own name, with its own token."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from e2e.localcluster.controlplane import ControlPlane
from lathe_api.v1alpha1.status import Progress
from lathe_worker.cluster_reporter import Cluster, ClusterReporter
from tests.builders import Document, a_resource

pytestmark = pytest.mark.apiserver

RULES = [
    {"apiGroups": ["lathe.dev"], "resources": ["modeloptimizations/status"], "verbs": ["patch"]}
]


@pytest.fixture
def cluster(server: ControlPlane, namespace: str, tmp_path: Path) -> Cluster:
    """A resource that runs, and a pod's ServiceAccount without any right."""
    server.kubectl(
        "create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(a_resource().document())
    )
    server.kubectl("create", "serviceaccount", "-n", namespace, "lathe-worker")
    token = server.kubectl("create", "token", "-n", namespace, "lathe-worker")
    (tmp_path / "token").write_text(token)
    address = urlsplit(server.server)
    return Cluster(
        host=address.hostname or "",
        port=address.port or 443,
        token=tmp_path / "token",
        ca=server.certificate_authority,
        namespace=namespace,
        name="digits",
    )


def allow(server: ControlPlane, namespace: str) -> None:
    """Let the worker write status."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "lathe-worker"}
    subject = {"kind": "ServiceAccount", "name": "lathe-worker", "namespace": namespace}
    metadata = {"name": "lathe-worker", "namespace": namespace}
    version = "rbac.authorization.k8s.io/v1"
    server.apply(
        {"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": RULES},
        {
            "apiVersion": version,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [subject],
        },
    )


def resource(server: ControlPlane, namespace: str) -> Document:
    found: dict[str, Any] = json.loads(
        server.kubectl(
            "get", "mo", "digits", "-n", namespace, "-o", "json", "--show-managed-fields"
        )
    )
    return found


def test_progress_is_the_workers_own_field(
    server: ControlPlane, namespace: str, cluster: Cluster
) -> None:
    allow(server, namespace)
    operators = {"status": {"phase": "Running"}}
    server.kubectl(
        *("patch", "mo", "digits", "-n", namespace, "--subresource=status", "--type=merge"),
        *("-p", json.dumps(operators), "--field-manager=lathe-operator"),
    )

    with ClusterReporter(cluster) as reporter:
        reporter.update(Progress(percent=42, step="int8", step_index=5, steps=6, message="128/256"))

    found = resource(server, namespace)
    progress = found["status"]["progress"]
    assert progress.pop("updated").endswith("Z")
    assert progress == {
        "percent": 42,
        "step": "int8",
        "stepIndex": 5,
        "steps": 6,
        "message": "128/256",
    }
    assert found["status"]["phase"] == "Running"
    managers = {it["manager"]: it.get("subresource") for it in found["metadata"]["managedFields"]}
    assert managers["lathe-worker"] == "status"
    assert "annotations" not in found["metadata"]
    assert "finalizers" not in found["metadata"]


def test_without_the_right_progress_is_silently_absent(
    server: ControlPlane, namespace: str, cluster: Cluster
) -> None:
    with ClusterReporter(cluster) as reporter:
        reporter.update(Progress(percent=42, step="int8"))

    assert "progress" not in resource(server, namespace).get("status", {})
