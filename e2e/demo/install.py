"""Installs Lathe the way its README says, with the images of this checkout."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from e2e.demo.kubectl import Kubectl
from e2e.demo.publisher import ImageNames
from e2e.localcluster.images import REPOSITORY

SYSTEM = "lathe-system"
DEPLOYMENT = "lathe-operator"
WORKER_ACCOUNT = "lathe-worker"


def operator(kubectl: Kubectl, images: ImageNames, workspace: Path) -> None:
    """Apply the CRD and the operator, and wait until it is ready: it ends unless the CRD is served.

    `kubectl wait` for the CRD itself would fail in the moment before it has any condition.

    Args:
        kubectl: The cluster.
        images: What to run.
        workspace: A folder of the caller's, for the kustomization that names the images.
    """
    kubectl("apply", "--filename", str(REPOSITORY / "crds"))
    kubectl("apply", "--kustomize", str(_overlay(images, workspace)))
    until_ready(kubectl)


def until_ready(kubectl: Kubectl) -> None:
    """Wait until the operator is ready, and nothing older than what it should be runs."""
    kubectl(
        *("rollout", "status", f"--namespace={SYSTEM}", f"deployment/{DEPLOYMENT}"),
        "--timeout=180s",
    )


def restart_operator(kubectl: Kubectl) -> None:
    """Have another process of the operator, which looks at the cluster as it is now."""
    kubectl("rollout", "restart", f"--namespace={SYSTEM}", f"deployment/{DEPLOYMENT}")
    until_ready(kubectl)


def team(kubectl: Kubectl, namespace: str, *, access_key: str, secret_key: str) -> None:
    """Make a team's namespace: restricted pods, the worker's one right, and S3 credentials."""
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": namespace,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s3-credentials", "namespace": namespace},
            "stringData": {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key},
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        overlay = {"namespace": namespace, "resources": [_base("worker", Path(folder))]}
        kubectl("apply", "--kustomize", str(_kustomization(Path(folder), overlay)))


def _overlay(images: ImageNames, workspace: Path) -> Path:
    """A kustomization over the base that names the images, as a platform team would write it."""
    workspace.mkdir(parents=True, exist_ok=True)
    name, _, tag = images.operator.rpartition(":")
    document = {
        "resources": [_base("base", workspace)],
        "images": [{"name": "lathe-operator", "newName": name, "newTag": tag}],
        "patches": [{"patch": json.dumps(_settings(images))}],
    }
    return _kustomization(workspace, document)


def _base(name: str, workspace: Path) -> str:
    """One of ours, as a kustomization elsewhere has to spell it: kustomize takes no root path."""
    return os.path.relpath(REPOSITORY / "charts" / "kustomize" / name, workspace.resolve())


def _kustomization(folder: Path, document: Mapping[str, object]) -> Path:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    text = yaml.safe_dump({**head, **document})
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")
    return folder


def _settings(images: ImageNames) -> dict[str, object]:
    environment = {
        "LATHE_WORKER_IMAGE": images.worker,
        "LATHE_WORKER_SERVICE_ACCOUNT": WORKER_ACCOUNT,
    }
    container = {
        "name": "operator",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "namespace": SYSTEM},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
