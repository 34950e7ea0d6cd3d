"""A team that uses Lathe: a namespace, and the words in which stories are told."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from e2e.demo.kubectl import Kubectl
from e2e.localcluster.cluster import Cluster
from e2e.localcluster.processes import wait_until
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.store import Store

Document = dict[str, Any]
MINUTES = 60.0


@dataclass(frozen=True)
class Team:
    """A namespace that admits restricted pods only, and what its members do.

    Attributes:
        namespace: Its name; also the folder of its artifacts.
        cluster: Where it is.
        kubectl: With which everything is told.
        store: The S3 server, as the demo's administrator sees it.
    """

    namespace: str
    cluster: Cluster
    kubectl: Kubectl
    store: Store

    def resource(self, name: str, **spec: object) -> Document:
        """A resource over the quickstart's model and data, with these fields of the spec.

        Without any, the model is exported and measured.
        """
        endpoint = self.cluster.object_store.endpoint
        defaults: Document = {
            "model": {
                "uri": "s3://models/digits/",
                "format": "Safetensors",
                "architecture": {"ref": "lathe.small_cnn", "args": {"num_classes": 10}},
                "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 1, 8, 8]}],
            },
            "datasets": [_dataset(each) for each in ("train", "calib", "val")],
            "storage": {
                "s3": {
                    "endpoint": endpoint,
                    "addressingStyle": "Path",
                    "credentials": {"secretRef": {"name": "s3-credentials"}},
                }
            },
            "output": {"uri": f"s3://artifacts/{self.namespace}/"},
        }
        return {
            "apiVersion": "lathe.dev/v1alpha1",
            "kind": "ModelOptimization",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {**defaults, **spec},
        }

    def apply(self, document: Document) -> str:
        """Apply a resource; gives its name."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(document))
        name: str = document["metadata"]["name"]
        return name

    def status(self, name: str) -> Document:
        """The resource's status."""
        found: Document = self.kubectl.get("mo", name, "-n", self.namespace).get("status", {})
        return found

    def until(
        self,
        name: str,
        holds: Callable[[Document], bool],
        what: str,
        *,
        seconds: float = 5 * MINUTES,
    ) -> Document:
        """Wait until something holds of the status, and give it; the error tells where it is."""
        last: Document = {}

        def looks() -> bool:
            last.clear()
            last.update(self.status(name))
            return holds(last)

        try:
            wait_until(looks, f"{name}: {what}", seconds=seconds, every=0.5)
        except TimeoutError as error:
            told = json.dumps({**last, "pods": self.pods(name)}, indent=1)
            raise AssertionError(f"{error}; it is at:\n{told}") from error
        return last

    def until_finished(self, name: str, *, seconds: float = 5 * MINUTES) -> Document:
        """Wait until the run ended, and give the status."""
        ends = ("Succeeded", "Failed", "Cancelled")
        return self.until(name, lambda s: s.get("phase") in ends, "to end", seconds=seconds)

    def pods(self, name: str) -> list[str]:
        """Names of the pods of the resource's current Job, oldest first."""
        job = self.status(name).get("run", {}).get("job", "")
        found = self.kubectl.get(
            *("pods", "-n", self.namespace, "-l", f"batch.kubernetes.io/job-name={job}"),
            *("--sort-by", ".metadata.creationTimestamp"),
        )
        return [pod["metadata"]["name"] for pod in found["items"]]

    def published(self) -> list[str]:
        """URIs of every object below the team's output, in order."""
        prefix = f"s3://artifacts/{self.namespace}/"
        try:
            return [each.uri for each in self.store.list(prefix)]
        except BadInput as error:
            if error.reason is Reason.EMPTY_PREFIX:
                return []
            raise


def condition(status: Document, kind: str) -> tuple[str, str]:
    """The status and the reason of one condition."""
    found: Document = next((c for c in status.get("conditions", ()) if c["type"] == kind), {})
    return found.get("status", ""), found.get("reason", "")


def a_name() -> str:
    """A namespace's name that no story had before."""
    return f"story-{uuid.uuid4().hex[:8]}"


def _dataset(name: str) -> Document:
    return {
        "name": name,
        "uri": f"s3://data/digits/{name}.npz",
        "format": "NPZ",
        "inputs": {"x": "images"},
        "labels": "labels",
    }
