"""What Kueue writes: the Workload of a Job, and what it does with the Job itself."""

from __future__ import annotations

from typing import Any

from tests.fake_cluster import FakeCluster
from tests.kubelet import T0

Document = dict[str, Any]

MESSAGE = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu"
PREEMPTED = "Preempted to accommodate a workload (UID: 5f3a, JobUID: 0c1e) due to prioritization"


def _condition(kind: str, status: str, reason: str, message: str, time: str) -> Document:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": time,
    }


def no_quota(message: str = MESSAGE, reason: str = "Pending") -> Document:
    """It has no quota, and why."""
    return {"conditions": [_condition("QuotaReserved", "False", reason, message, T0)]}


def evicted(reason: str = "Preempted", message: str = PREEMPTED) -> Document:
    """It had quota, and somebody else needed it."""
    lost = _condition("Evicted", "True", reason, message, T0)
    return {"conditions": [lost, *no_quota(message)["conditions"]]}


def checked(name: str = "provisioning", message: str = "", state: str = "Pending") -> Document:
    """It has quota, and a check that is not ready."""
    has = _condition("QuotaReserved", "True", "QuotaReserved", "Quota reserved in team", T0)
    return {
        "conditions": [has],
        "admissionChecks": [{"name": name, "state": state, "message": message}],
    }


def admitted(time: str = T0) -> Document:
    """It may go on."""
    return {
        "conditions": [
            _condition("QuotaReserved", "True", "QuotaReserved", "Quota reserved in team", time),
            _condition("Admitted", "True", "Admitted", "The workload is admitted", time),
            _condition("Evicted", "False", "QuotaReserved", "Previously: Preempted", time),
        ]
    }


def workload(job: Document, status: Document | None = None, **spec: Any) -> Document:
    """The Workload that Kueue makes for a Job."""
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "controller": True,
    }
    metadata = {
        "name": f"job-{job['metadata']['name']}-5f3a9",
        "namespace": job["metadata"].get("namespace", "team"),
        "labels": {"kueue.x-k8s.io/job-uid": job["metadata"]["uid"]},
        "ownerReferences": [owner],
    }
    template = job["spec"]["template"]
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "Workload",
        "metadata": metadata,
        "spec": {"podSets": [{"name": "main", "count": 1, "template": template}], **spec},
        "status": status or {},
    }


def says(cluster: FakeCluster, job: Document, status: Document | None = None, **spec: Any) -> None:
    """Let Kueue say something of a Job."""
    document = workload(job, status, **spec)
    known = {each["metadata"]["name"]: each["metadata"] for each in cluster.all("Workload")}
    name = document["metadata"]["name"]
    cluster.put("Workload", {**document, "metadata": known.get(name, document["metadata"])})


def admits(cluster: FakeCluster, job: Document, time: str = T0, **status: Any) -> None:
    """Let Kueue let a Job go on."""
    says(cluster, job, admitted(time))
    spec = {**job["spec"], "suspend": False}
    cluster.put("Job", {**job, "spec": spec, "status": {"startTime": time, **status}})


def preempts(cluster: FakeCluster, job: Document) -> None:
    """Let Kueue stop a Job; the Job controller takes its pods away."""
    says(cluster, job, evicted())
    status = {key: each for key, each in (job.get("status") or {}).items() if key != "startTime"}
    cluster.put("Job", {**job, "spec": {**job["spec"], "suspend": True}, "status": status})
    for pod in cluster.all("Pod"):
        if pod["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]:
            cluster.remove("Pod", pod["metadata"]["name"])
