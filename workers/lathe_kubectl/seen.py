"""What the cluster knows of a resource: itself, its Jobs and their pods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lathe_api.v1alpha1.resource import GROUP, PLURAL
from lathe_kubectl.documents import Document, items, word
from lathe_kubectl.kubectl import Kubectl
from lathe_operator.decide.names import RESOURCE
from lathe_operator.seen import job_seen, pod_seen
from lathe_operator.values import Job, Pod

RESOURCES = f"{PLURAL}.{GROUP}"
"""As kubectl knows them, whatever other API uses their short name."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A resource with what works for it.

    Attributes:
        resource: The resource, as the server has it.
        jobs: Its Jobs, oldest first.
        pods: The pods of its Jobs, oldest first.
        nodes: The node of each pod by the pod's name.
        now: When it was looked at.
    """

    resource: Document
    jobs: tuple[Job, ...]
    pods: tuple[Pod, ...]
    nodes: Document
    now: datetime

    @property
    def name(self) -> str:
        """The resource's name."""
        return word(self.resource, "metadata", "name")

    def pods_of(self, job: Job) -> tuple[Pod, ...]:
        """The pods that a Job controls, oldest first."""
        return tuple(pod for pod in self.pods if pod.job == job.uid)

    def is_of_the_present_run(self, job: Job) -> bool:
        """Whether a Job belongs to the run that status speaks of.

        The names of its stages, and of a second try that takes less memory, begin alike.
        """
        present = word(self.resource, "status", "run", "job")
        return job.name.startswith(present) or present.startswith(job.name)


def look(kubectl: Kubectl, name: str) -> Seen:
    """Look at a resource, its Jobs and its pods.

    Raises:
        KubectlFailed: When there is no such resource, or the user may not see it.
    """
    resource = kubectl.read("get", RESOURCES, name)
    found = kubectl.read("get", "jobs,pods", "-l", f"{RESOURCE}={name}")
    return seen(resource, list(items(found, "items")), datetime.now(UTC))


def seen(resource: Document, owned: Sequence[Document], now: datetime) -> Seen:
    """Put together what the server told; what belongs to a namesake of before is left out."""
    jobs = [job for body in owned if body.get("kind") == "Job" and (job := job_seen(body))]
    bodies = [body for body in owned if body.get("kind") == "Pod"]
    pods = [pod for body in bodies if (pod := pod_seen(body))]
    ours = [job for job in jobs if job.owner == word(resource, "metadata", "uid")]
    return Seen(
        resource=resource,
        jobs=tuple(sorted(ours, key=lambda job: (job.created, job.name))),
        pods=tuple(sorted(pods, key=lambda pod: (pod.created, pod.name))),
        nodes={word(body, "metadata", "name"): word(body, "spec", "nodeName") for body in bodies},
        now=now,
    )


def documents(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """The same for machines: the objects as the server has them."""
    found = kubectl.read("get", "jobs,pods", "-l", f"{RESOURCE}={name}")
    owned = list(items(found, "items"))
    return {
        "resource": kubectl.read("get", RESOURCES, name),
        "jobs": [body for body in owned if body.get("kind") == "Job"],
        "pods": [body for body in owned if body.get("kind") == "Pod"],
    }
