"""The Lease of the leader, as the cluster keeps it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lathe_operator.values import Ref

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads, and until when.

    Attributes:
        holder: Identity of the leader; empty: nobody.
        seconds: How long it leads without renewing.
        acquired: When it began to lead.
        renewed: When it last said so.
        transitions: How often the leader has changed.
        version: The server's resourceVersion; None for a Lease that is to be created.
    """

    holder: str
    seconds: int
    acquired: datetime
    renewed: datetime
    transitions: int = 0
    version: str | None = None


def lease_of(document: Document) -> Lease:
    """The Lease that an object says."""
    spec = document["spec"]
    return Lease(
        holder=spec.get("holderIdentity") or "",
        seconds=spec.get("leaseDurationSeconds") or 1,
        acquired=datetime.fromisoformat(spec["acquireTime"]),
        renewed=datetime.fromisoformat(spec["renewTime"]),
        transitions=spec.get("leaseTransitions") or 0,
        version=document["metadata"]["resourceVersion"],
    )


def manifest_of(ref: Ref, lease: Lease) -> Document:
    """The object that says a Lease."""
    metadata: Document = {"name": ref.name, "namespace": ref.namespace}
    if lease.version is not None:
        metadata["resourceVersion"] = lease.version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": lease.seconds,
            "acquireTime": lease.acquired.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "renewTime": lease.renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "leaseTransitions": lease.transitions,
        },
    }
