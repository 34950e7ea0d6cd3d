"""With a real Kueue, set up as docs/kueue.md says: who waits, who goes first, and who is told."""

from collections.abc import Iterator

import pytest

from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.kueue import Kueue
from tests.integration.conftest import serve
from tests.integration.operator.conftest import new_team
from tests.integration.operator.controlled import Pods
from tests.integration.operator.installed import OperatorProcess, Team, install, token_config
from tests.integration.operator.queued import (
    Quota,
    a_queued_resource,
    succeed,
    until_told,
    workload,
    writes_to_jobs,
)

pytestmark = pytest.mark.apiserver


@pytest.fixture(scope="module")
def managed() -> Iterator[ControlPlane]:
    """A control plane with controllers, Kueue and the operator's rights."""
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


@pytest.fixture
def quota(managed: ControlPlane, operator: OperatorProcess) -> Quota:
    """The page's ClusterQueue, of the test's own."""
    assert operator.leads
    return Quota.set_up(managed)


def a_team(quota: Quota, *, joins: bool = True) -> Team:
    """A new team; it has no LocalQueue yet unless it joins."""
    team = new_team(quota.control_plane)
    if joins:
        quota.let_in(team.namespace)
    return team


def test_a_run_that_fits_does_not_wait_and_is_told_of_in_four_writes(quota: Quota) -> None:
    team = a_team(quota)
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
    first, second = a_team(quota), a_team(quota)
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
    assert writes_to_jobs(second) <= {"create", "delete"}


def test_who_is_preempted_is_told_so_waits_again_and_goes_on_in_the_same_job(quota: Quota) -> None:
    humble, urgent = a_team(quota), a_team(quota)
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
    assert writes_to_jobs(humble) <= {"create", "delete"}


def test_who_suspends_gives_the_quota_back_and_gets_it_again_on_resuming(quota: Quota) -> None:
    patient, other = a_team(quota), a_team(quota)
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
    assert writes_to_jobs(patient) <= {"create", "delete"}


def test_who_cancels_in_the_queue_leaves_it(quota: Quota) -> None:
    team = a_team(quota, joins=False)
    team.apply(a_queued_resource())
    until_told(team, "Queued", "QueueUnavailable")

    team.apply(a_queued_resource().with_(run={"cancel": True}))
    team.until_phase("Cancelled")

    team.kubectl("wait", "workloads", "--all", "--for=delete", "--timeout=30s")
    assert team.jobs == []


def test_a_queue_that_is_not_there_is_told_and_it_may_come_later(quota: Quota) -> None:
    team = a_team(quota, joins=False)
    team.apply(a_queued_resource())
    message = until_told(team, "Queued", "QueueUnavailable")
    assert "LocalQueue team-a doesn't exist" in message

    quota.let_in(team.namespace)
    pods = Pods(team)
    succeed(team, pods, pods.run())

    assert writes_to_jobs(team) <= {"create", "delete"}


def test_who_is_deactivated_is_told_so_and_goes_on_when_an_administrator_says_so(
    quota: Quota,
) -> None:
    team = a_team(quota)
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
    first, waiting = a_team(quota), a_team(quota)
    first.apply(a_queued_resource())
    Pods(first).run()
    first.until_phase("Running")
    waiting.apply(a_queued_resource())
    until_told(waiting, "Queued", "WaitingForQuota")
    before = waiting.written()

    operator.kill()
    with operator:
        operator.until_leading()
        another = a_team(quota, joins=False)
        another.apply(a_queued_resource())
        until_told(another, "Queued", "QueueUnavailable")  # by now, it has looked at everything

        assert waiting.written() == before
