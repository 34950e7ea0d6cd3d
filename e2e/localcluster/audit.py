"""What reached the API server: its audit policy, and its audit log as values."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

_CREDENTIAL = "authentication.kubernetes.io/credential-id"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})

# Core is "". Secrets are never logged with their contents.
_IN_FULL = [
    {"group": "lathe.dev"},
    {"group": "batch", "resources": ["jobs", "jobs/status"]},
    {"group": "", "resources": ["events", "pods", "pods/status"]},
    {"group": "events.k8s.io", "resources": ["events"]},
    {"group": "coordination.k8s.io", "resources": ["leases"]},
]


def policy(*, bodies: bool = True) -> dict[str, object]:
    """Every request once, when its response is complete; our writes with both bodies, if asked.

    The control plane's own users and paths that are no resources (/readyz, discovery) are left
    out of it, but for what the controllers do with Jobs, pods and Events.
    """
    components = ["system:kube-scheduler", "system:kube-controller-manager", "system:apiserver"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["*"]},
            {"level": "None", "userGroups": ["system:nodes"], "resources": [_IN_FULL[-1]]},
            {
                "level": "RequestResponse" if bodies else "Metadata",
                "verbs": sorted(WRITES),
                "resources": _IN_FULL,
            },
            {"level": "None", "users": components},
            {"level": "Metadata"},
        ],
    }


@dataclass(frozen=True)
class AuditEvent:
    """One request that the API server answered."""

    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    user_agent: str
    credential: str
    """Which token of the user's it was, such as JTI=…; empty where there are no others."""
    received: datetime
    """When the server got it, by the server's clock."""
    request: dict[str, Any] | None = field(repr=False)
    """The body as sent, at level RequestResponse."""
    response: dict[str, Any] | None = field(repr=False)

    @property
    def is_write(self) -> bool:
        """Whether it asked for a change, granted or not (`code` tells)."""
        return self.verb in WRITES


def read(log: Path) -> Iterator[AuditEvent]:
    """The events of an audit log about resources, oldest first; a line half written is left out."""
    yield from Tail(log).fresh()


class Tail:
    """An audit log that grows, read from where it was read last."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = 0

    def fresh(self) -> Iterator[AuditEvent]:
        """The events about resources since last time; a line half written waits."""
        with self._log.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                entry = json.loads(line)
                if "objectRef" in entry:
                    yield _event(entry)


def _event(entry: dict[str, Any]) -> AuditEvent:
    target = entry["objectRef"]
    return AuditEvent(
        user=entry["user"].get("username", ""),
        verb=entry["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=entry.get("responseStatus", {}).get("code", 0),
        user_agent=entry.get("userAgent", ""),
        credential="".join((entry["user"].get("extra") or {}).get(_CREDENTIAL, ())),
        received=datetime.fromisoformat(entry["requestReceivedTimestamp"]),
        request=entry.get("requestObject"),
        response=entry.get("responseObject"),
    )
