"""A run in a queue: what is told of its wait, when its clocks run, and whose Job it is."""

from typing import Any

import pytest

from lathe_api.v1alpha1.status import ConditionType
from lathe_operator.decide.queues import REASONS
from tests import kubelet, kueue
from tests.builders import ResourceBuilder, a_resource
from tests.world import World

Document = dict[str, Any]

QUEUED = a_resource().with_(scheduling={"queueName": "team-a"})


async def a_queued_world(resource: ResourceBuilder = QUEUED) -> World:
    """A world with Kueue in it, whose run has got its Job and no word yet."""
    world = World(resource)
    world.cluster.shows_workloads = True
    await world.settle()
    kueue.says(world.cluster, world.job)
    return world


def clock(world: World) -> str:
    return world.cluster.now.strftime("%Y-%m-%dT%H:%M:%SZ")


async def a_running_queued_world(resource: ResourceBuilder = QUEUED) -> World:
    """A world whose run was admitted, and whose worker runs."""
    world = await a_queued_world(resource)
    kueue.admits(world.cluster, world.job, clock(world), ready=1)
    world.start_pod(status=kubelet.running(clock(world)))
    await world.settle()
    return world


def message(world: World) -> str:
    return world.condition(ConditionType.READY).message


WAITS = {
    "there is too little quota": (kueue.no_quota(), {}, "WaitingForQuota", kueue.MESSAGE),
    "its queue is not there": (
        kueue.no_quota("LocalQueue team-a doesn't exist", "Inadmissible"),
        {},
        "QueueUnavailable",
        "LocalQueue team-a doesn't exist",
    ),
    "a check is not ready": (
        kueue.checked("provisioning", "two nodes are on their way"),
        {},
        "WaitingForAdmissionChecks",
        "provisioning: two nodes are on their way",
    ),
    "a check says nothing but its state": (
        kueue.checked("budget", "", "Retry"),
        {},
        "WaitingForAdmissionChecks",
        "budget: Retry",
    ),
    "somebody more important came": (kueue.evicted(), {}, "Preempted", kueue.PREEMPTED),
    "its queue was stopped": (
        kueue.evicted("ClusterQueueStopped", "The ClusterQueue is stopped"),
        {},
        "Evicted",
        "The ClusterQueue is stopped",
    ),
    "an administrator took it out": (
        kueue.evicted("Deactivated", "The workload is deactivated"),
        {"active": False},
        "Deactivated",
        "The workload is deactivated",
    ),
    "it is out, and nobody says why": ({}, {"active": False}, "Deactivated", "spec.active"),
}


@pytest.mark.parametrize(("status", "spec", "reason", "words"), WAITS.values(), ids=WAITS)
async def test_it_waits_since(status: Document, spec: Document, reason: str, words: str) -> None:
    world = await a_queued_world()

    kueue.says(world.cluster, world.job, status, **spec)
    await world.settle()

    assert world.told == ("Queued", reason)
    assert words in message(world)
    assert world.written("patch", "status") == 1


def test_every_reason_for_a_wait_is_seen_here() -> None:
    assert {reason for _, _, reason, _ in WAITS.values()} == {str(reason) for reason in REASONS}


async def test_a_run_that_is_admitted_at_once_is_never_told_to_wait() -> None:
    world = await a_running_queued_world()

    world.end(0, kubelet.success())
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")
    assert (world.written("create", "Job"), world.written("patch", "status")) == (1, 2)
    assert world.events == ["Started", "Succeeded"]


async def test_a_kueue_that_says_nothing_is_not_waited_for_long() -> None:
    world = await a_queued_world()
    assert world.written("patch", "status") == 0

    await world.pass_time(2)

    assert world.told == ("Queued", "WaitingForQuota")
    assert message(world) == "waits for quota in the queue team-a"


async def test_words_that_come_late_are_told_once_and_count_no_further() -> None:
    world = await a_queued_world()
    await world.pass_time(2)

    for more in ("1 more needed", "2 more needed", "3 more needed"):
        kueue.says(world.cluster, world.job, kueue.no_quota(more))
        await world.pass_time(60)

    assert "1 more needed" in message(world)
    assert world.written("patch", "status") == 2
    assert world.events == []


async def test_what_is_wrong_with_a_queue_is_told_as_it_is_now() -> None:
    world = await a_queued_world()
    for words in ("LocalQueue team-a doesn't exist", "ClusterQueue gpus is inactive"):
        kueue.says(world.cluster, world.job, kueue.no_quota(words, "Inadmissible"))
        await world.settle()

    assert "ClusterQueue gpus is inactive" in message(world)
    assert world.events == ["QueueUnavailable"] * 2


async def test_who_does_not_see_the_workload_says_what_was_said_before() -> None:
    world = await a_queued_world()
    kueue.says(world.cluster, world.job, kueue.evicted())
    await world.settle()
    before = world.cluster.writes[:]

    world.restart_operator()
    world.cluster.remove("Workload", world.cluster.one("Workload")["metadata"]["name"])
    await world.pass_time(60)

    assert world.told == ("Queued", "Preempted")
    assert world.cluster.writes == before


async def test_after_the_queue_a_pod_has_its_moment_to_start() -> None:
    world = await a_queued_world()
    kueue.says(world.cluster, world.job, kueue.no_quota())
    await world.pass_time(3600)

    kueue.admits(world.cluster, world.job, clock(world))
    await world.settle()
    assert world.told == ("Queued", "WaitingForQuota")
    await world.pass_time(2)

    assert world.told == ("Pending", "Pending")


async def test_why_there_is_no_pod_is_asked_a_moment_after_the_queue_let_go() -> None:
    world = await a_queued_world()
    kueue.says(world.cluster, world.job, kueue.no_quota())
    await world.pass_time(3600)
    kueue.admits(world.cluster, world.job, clock(world))
    await world.pass_time(4)
    assert world.written("try", "Pod") == 0

    await world.pass_time(1)

    assert world.written("try", "Pod") == 1


async def test_a_preempted_run_goes_on_in_its_job_with_what_is_left_of_its_time() -> None:
    run = {"pendingDeadlineSeconds": 600, "activeDeadlineSeconds": 7200}
    world = await a_running_queued_world(QUEUED.with_(run=run))
    job = world.job["metadata"]["uid"]
    await world.pass_time(3600)

    kueue.preempts(world.cluster, world.job)
    await world.settle()
    assert world.told == ("Queued", "Preempted")
    await world.pass_time(599)
    assert world.told == ("Queued", "Preempted")
    kueue.admits(world.cluster, world.job, clock(world), ready=1)
    pod = world.start_pod("b", kubelet.running(clock(world)))
    await world.pass_time(3599)
    assert world.told == ("Running", "InProgress")
    world.end(0, kubelet.success(), pod)
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")
    assert (world.job["metadata"]["uid"], world.status.run and world.status.run.attempt) == (job, 1)
    assert world.events == ["Started", "Preempted", "Succeeded"]


async def test_a_preempted_run_that_waits_too_long_has_failed() -> None:
    world = await a_running_queued_world(QUEUED.with_(run={"pendingDeadlineSeconds": 600}))
    await world.pass_time(3600)
    kueue.preempts(world.cluster, world.job)
    await world.settle()

    await world.pass_time(600)

    assert world.told == ("Failed", "PendingDeadlineExceeded")
    assert world.cluster.all("Job") == []


async def test_a_run_whose_pod_is_drained_away_waits_for_its_full_time() -> None:
    world = World(a_resource().with_(run={"pendingDeadlineSeconds": 600}))
    await world.settle()
    pod = world.start_pod()
    await world.pass_time(3600)

    world.cluster.remove("Pod", pod)
    await world.settle()
    assert world.told == ("Pending", "Pending")
    await world.pass_time(599)
    assert world.told == ("Pending", "Pending")
    await world.pass_time(1)

    assert world.told == ("Failed", "PendingDeadlineExceeded")


async def test_a_job_that_kueue_took_although_it_names_no_queue_is_left_to_it() -> None:
    world = World()
    world.cluster.shows_workloads = True
    await world.settle()
    job = world.job
    held = {**job, "spec": {**job["spec"], "suspend": True}}

    world.cluster.put("Job", held)
    kueue.says(world.cluster, held, kueue.no_quota("LocalQueue  doesn't exist", "Inadmissible"))
    await world.settle()

    assert world.told == ("Queued", "QueueUnavailable")
    assert world.written("patch", "Job") == 0


async def test_a_policy_is_edited_in_the_queue_and_nothing_that_is_kueues() -> None:
    world = await a_queued_world()
    kueue.says(world.cluster, world.job, kueue.no_quota())
    await world.settle()

    world.edit(run={"backoffLimit": 7})
    await world.settle()

    assert (world.job["spec"]["backoffLimit"], world.job["spec"]["suspend"]) == (7, True)
    assert world.told == ("Queued", "WaitingForQuota")


# MultiKueue: the pods are in another cluster


async def a_world_elsewhere() -> World:
    """A world whose Job another cluster works on, and where it has been admitted."""
    world = await a_queued_world()
    job = world.job
    manager = "kueue.x-k8s.io/multikueue"
    world.cluster.put("Job", {**job, "spec": {**job["spec"], "managedBy": manager}})
    kueue.admits(world.cluster, world.job, clock(world))
    await world.pass_time(2)
    return world


async def test_a_job_that_another_cluster_works_on_is_left_alone() -> None:
    world = await a_world_elsewhere()
    writes = len(world.cluster.writes)

    world.edit(run={"backoffLimit": 7})
    await world.pass_time(3600)

    assert world.told == ("Pending", "Pending")
    asked = {(verb, kind) for verb, kind, _ in world.cluster.writes[writes:]}
    assert asked == {("patch", "status")}  # of the generation


async def test_a_run_elsewhere_runs_while_its_job_has_a_pod_and_its_clock_runs_too() -> None:
    world = await a_world_elsewhere()

    world.job_status({"ready": 1, "active": 1})
    await world.settle()
    assert world.told == ("Running", "InProgress")
    await world.pass_time(14_400)

    assert world.told == ("Failed", "DeadlineExceeded")


ENDS = {
    "well": (kubelet.complete(), ("Succeeded", "Succeeded"), "s3://artifacts/digits/"),
    "badly": (kubelet.failed(), ("Failed", "JobFailed"), "PodFailurePolicy"),
}


@pytest.mark.parametrize(("status", "told", "words"), ENDS.values(), ids=ENDS)
async def test_a_run_elsewhere_ends_as_its_job_does(
    status: Document, told: tuple[str, str], words: str
) -> None:
    world = await a_world_elsewhere()
    world.job_status({"ready": 1})
    await world.settle()

    world.job_status({**status, "ready": 0})
    await world.settle()

    assert world.told == told
    assert words in message(world)
    assert world.condition(ConditionType.ADMITTED).status == "True"
