"""With a real Kueue, set up as docs/kueue.md says: who waits, who goes first, and who is told."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.kueue import Kueue
from e2e.localcluster.processes import wait_until
from tests import kubelet
from tests.builders import ResourceBuilder, a_resource
from tests.integration.conftest import serve
from tests.integration.operator.conftest import new_team
from tests.integration.operator.controlled import Pods, breathe
from tests.integration.operator.installed import (
    OperatorProcess,
    Team,
    install,
    token_config,
)

pytestmark = pytest.mark.apiserver

Document = dict[str, Any]

PAGE = (Path(__file__).parents[3] / "docs" / "kueue.md").read_text()
SETUP, SPEC = (
    list(yaml.safe_load_all(block)) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
)
ALL_GPUS = {"resources": {"limits": {"nvidia.com/gpu": 2}}}
"""As many as the page's quota has: of two such runs, one waits."""


def a_queued_resource(priority: str = "batch") -> ResourceBuilder:
    """A resource as the page has it, which takes the whole quota."""
    scheduling = {**SPEC[0]["spec"]["scheduling"], "priorityClassName": priority}
    return a_resource().with_(scheduling=scheduling, worker=ALL_GPUS)


@pytest.fixture(scope="module")
def managed(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A control plane with controllers, Kueue and the operator's rights."""
    del control_plane  # only for its build, which tells how it goes on
    with ControlPlane(controllers=True) as running, Kueue(running):
        serve(running)
        install(running)
        yield running


@pytest.fixture(scope="module")
def operator(
    managed: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator for all namespaces."""
    folder = tmp_path_factory.mktemp("operator")
    with OperatorProcess(token_config(managed, folder), folder / "log") as running:
        running.until_leading()
        yield running


@dataclass(frozen=True)
class Quota:
    """A quota of its own, which teams share."""

    control_plane: ControlPlane
    name: str

    def team(self, *, joins: bool = True) -> Team:
        """A new team; it has no LocalQueue yet unless it joins."""
        team = new_team(self.control_plane)
        if joins:
            self.let_in(team)
        return team

    def let_in(self, team: Team) -> None:
        """Give a team its LocalQueue."""
        (queue,) = (each for each in SETUP if each["kind"] == "LocalQueue")
        metadata = {**queue["metadata"], "namespace": team.namespace}
        self.control_plane.apply(
            {**queue, "metadata": metadata, "spec": {"clusterQueue": self.name}}
        )


@pytest.fixture
def quota(managed: ControlPlane, operator: OperatorProcess) -> Quota:
    """The page's ClusterQueue, under a name of the test's own."""
    assert operator.leads
    name = f"quota-{uuid.uuid4().hex[:8]}"
    breathe(managed)
    shared = [each for each in SETUP if each["kind"] != "LocalQueue"]
    for document in shared:
        if document["kind"] == "ClusterQueue":
            managed.apply({**document, "metadata": {"name": name}})
        else:
            managed.apply(document)
    return Quota(managed, name)


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


def let_nobody_touch_a_queues_job(team: Team) -> None:
    """Show from the audit log that operators only created and deleted Jobs."""
    verbs = {event.verb for event in team.asked() if event.resource == "jobs" and event.is_write}
    assert verbs <= {"create", "delete"}


def test_a_run_that_fits_does_not_wait_and_is_told_of_in_four_writes(quota: Quota) -> None:
    team = quota.team()
    team.apply(a_queued_resource())
    pods = Pods(team)
    pod = pods.run()
    status = succeed(team, pods, pod)

    written = team.written()
    assert written.pop("create/jobs") == 1
    assert written.pop("create/events") == 2
    assert written.pop("patch/modeloptimizations/status") <= 3
    assert written == {}
    assert status["run"]["attempt"] == 1
    assert team.get("pod", pod)["spec"]["nodeSelector"] == {
        "nvidia.com/gpu.product": "NVIDIA-L4"  # of the flavor: Kueue's to write, and ours to leave
    }


def test_a_run_waits_for_quota_in_kueues_words_and_goes_when_there_is_some(quota: Quota) -> None:
    first, second = quota.team(), quota.team()
    first.apply(a_queued_resource())
    running = Pods(first)
    pod = running.run()
    first.until_phase("Running")

    second.apply(a_queued_resource())
    message = until_told(second, "Queued", "WaitingForQuota")
    assert "insufficient unused quota for nvidia.com/gpu in flavor l4" in message
    assert "the queue team-a" in message
    assert second.written() == {"create/jobs": 1, "patch/modeloptimizations/status": 1}
    succeed(first, running, pod)
    waiting = Pods(second)
    succeed(second, waiting, waiting.run())

    written = second.written()
    assert written["patch/modeloptimizations/status"] <= 4
    assert (written["create/jobs"], written["create/events"]) == (1, 2)
    let_nobody_touch_a_queues_job(second)


def test_who_is_preempted_is_told_so_waits_again_and_goes_on_in_the_same_job(quota: Quota) -> None:
    humble, urgent = quota.team(), quota.team()
    humble.apply(a_queued_resource("batch"))
    pods = Pods(humble)
    pod = pods.run()
    humble.until_phase("Running")

    urgent.apply(a_queued_resource("urgent"))
    message = until_told(humble, "Queued", "Preempted")
    pods.take_away(pod)
    hurried = Pods(urgent)
    succeed(urgent, hurried, hurried.run())
    status = succeed(humble, pods, pods.run())

    assert "to accommodate a workload" in message
    assert status["run"]["attempt"] == 1
    assert len(humble.jobs) == 1
    events = [each["reason"] for each in humble.get("events.v1.events.k8s.io")["items"]]
    assert events.count("Preempted") >= 1
    let_nobody_touch_a_queues_job(humble)


def test_who_suspends_gives_the_quota_back_and_gets_it_again_on_resuming(quota: Quota) -> None:
    patient, other = quota.team(), quota.team()
    patient.apply(a_queued_resource())
    pods = Pods(patient)
    pod = pods.run()
    patient.until_phase("Running")
    other.apply(a_queued_resource())
    until_told(other, "Queued", "WaitingForQuota")

    patient.apply(a_queued_resource().with_(run={"suspend": True}))
    patient.until_phase("Suspended")
    pods.take_away(pod)
    others = Pods(other)
    succeed(other, others, others.run())
    patient.apply(a_queued_resource())
    status = succeed(patient, pods, pods.run())

    assert status["phase"] == "Succeeded"
    let_nobody_touch_a_queues_job(patient)


def test_who_cancels_in_the_queue_leaves_it(quota: Quota) -> None:
    team = quota.team(joins=False)
    team.apply(a_queued_resource())
    until_told(team, "Queued", "QueueUnavailable")

    team.apply(a_queued_resource().with_(run={"cancel": True}))
    team.until_phase("Cancelled")

    team.kubectl("wait", "workloads", "--all", "--for=delete", "--timeout=30s")
    assert team.jobs == []


def test_a_queue_that_is_not_there_is_told_and_it_may_come_later(quota: Quota) -> None:
    team = quota.team(joins=False)
    team.apply(a_queued_resource())
    message = until_told(team, "Queued", "QueueUnavailable")
    assert "LocalQueue team-a doesn't exist" in message

    quota.let_in(team)
    pods = Pods(team)
    succeed(team, pods, pods.run())

    let_nobody_touch_a_queues_job(team)


def test_who_is_deactivated_is_told_so_and_goes_on_when_an_administrator_says_so(
    quota: Quota,
) -> None:
    team = quota.team()
    team.apply(a_queued_resource())
    pods = Pods(team)
    pod = pods.run()
    team.until_phase("Running")

    name = workload(team)["metadata"]["name"]
    team.kubectl("patch", "workload", name, "--type=merge", "-p", '{"spec":{"active":false}}')
    message = until_told(team, "Queued", "Deactivated")
    pods.take_away(pod)
    team.kubectl("patch", "workload", name, "--type=merge", "-p", '{"spec":{"active":true}}')
    succeed(team, pods, pods.run())

    assert name in message


def test_an_operator_that_begins_anew_has_nothing_to_add(
    quota: Quota, operator: OperatorProcess
) -> None:
    first, waiting = quota.team(), quota.team()
    first.apply(a_queued_resource())
    Pods(first).run()
    first.until_phase("Running")
    waiting.apply(a_queued_resource())
    until_told(waiting, "Queued", "WaitingForQuota")
    before = waiting.written()

    operator.kill()
    with operator:
        operator.until_leading()
        another = quota.team(joins=False)
        another.apply(a_queued_resource())
        until_told(another, "Queued", "QueueUnavailable")  # by now, it has looked at everything

        assert waiting.written() == before
