"""Queues as docs/kueue.md sets them up, and runs in them as it writes them."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.processes import wait_until
from tests import kubelet
from tests.builders import ResourceBuilder, a_resource
from tests.integration.operator.controlled import Pods, breathe
from tests.integration.operator.installed import Team

Document = dict[str, Any]

PAGE = (Path(__file__).parents[3] / "docs" / "kueue.md").read_text()
SETUP, SPEC = (
    list(yaml.safe_load_all(block)) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
)
(QUEUE,) = (each for each in SETUP if each["kind"] == "LocalQueue")
ALL_GPUS = {"resources": {"limits": {"nvidia.com/gpu": 2}}}
"""As many as the page's quota has: of two such runs, one waits."""


def a_queued_resource(priority: str = "batch") -> ResourceBuilder:
    """A resource as the page has it, which takes the whole quota."""
    scheduling = {**SPEC[0]["spec"]["scheduling"], "priorityClassName": priority}
    return a_resource().with_(scheduling=scheduling, worker=ALL_GPUS)


@dataclass(frozen=True)
class Quota:
    """A ClusterQueue of its own, which teams share."""

    control_plane: ControlPlane
    name: str

    @classmethod
    def set_up(cls, control_plane: ControlPlane, **changes: Any) -> Quota:
        """The page's ClusterQueue with changes to its spec, under a name that is new."""
        breathe(control_plane)
        name = f"quota-{uuid.uuid4().hex[:8]}"
        for document in SETUP:
            if document["kind"] == "ClusterQueue":
                spec = {**document["spec"], **changes}
                control_plane.apply({**document, "metadata": {"name": name}, "spec": spec})
            elif document["kind"] != "LocalQueue":
                control_plane.apply(document)
        return cls(control_plane, name)

    def let_in(self, namespace: str) -> None:
        """Give a namespace its LocalQueue."""
        metadata = {**QUEUE["metadata"], "namespace": namespace}
        spec = {"clusterQueue": self.name}
        self.control_plane.apply({**QUEUE, "metadata": metadata, "spec": spec})


def told(team: Team) -> tuple[str, str, str]:
    """Phase, and reason and message of Ready."""
    status = team.status
    ready: Document = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
    return status.get("phase", ""), ready.get("reason", ""), ready.get("message", "")


def until_told(team: Team, phase: str, reason: str) -> str:
    """Wait for a phase and a reason; gives the message."""
    last = [("", "", "")]

    def reached() -> bool:
        last[0] = told(team)
        return last[0][:2] == (phase, reason)

    try:
        wait_until(reached, f"{phase}/{reason}", seconds=30.0, every=0.1)
    except TimeoutError as late:
        workloads = team.get("workloads")["items"]
        seen = json.dumps([each.get("status") for each in workloads], indent=1)
        raise AssertionError(f"{late}; it is at {last[0]}, and Kueue at {seen}") from late
    return last[0][2]


def succeed(team: Team, pods: Pods, pod: str) -> Document:
    """End a pod well, and wait for the end of the run."""
    team.until_phase("Running")
    pods.end(pod, 0, kubelet.success())
    return team.until_phase("Succeeded")


def workload(team: Team) -> Document:
    """The team's only Workload."""
    (found,) = team.get("workloads")["items"]
    return dict(found)


def writes_to_jobs(team: Team) -> set[str]:
    """What operators did with the team's Jobs, as the audit log has it."""
    return {event.verb for event in team.asked() if event.resource == "jobs" and event.is_write}
