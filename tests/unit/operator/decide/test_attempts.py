"""Attempts: one more that needs less where memory ran out, and none after one that succeeded."""

import pytest

from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet
from tests.builders import PRUNE, a_resource
from tests.fake_cluster import Document
from tests.world import World, a_running_world

LEAN = {"name": "LATHE_LEAN", "value": "true"}

OUT_OF_MEMORY = {
    "the kernel killed the worker": kubelet.ended(137, reason="OOMKilled"),
    "the kernel killed what the worker had started": kubelet.ended(
        50,
        kubelet.failure(ExitCode.INTERNAL, Reason.OUT_OF_MEMORY, "step halve was killed"),
        reason="OOMKilled",
    ),
    "the toolchain asked for more than there was": kubelet.ended(
        50, kubelet.failure(ExitCode.INTERNAL, Reason.OUT_OF_MEMORY, "out of memory")
    ),
}


def environment(job: Document) -> list[Document]:
    """What the worker of a Job finds in its environment."""
    found: list[Document] = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return found


async def starve(
    world: World, status: Document = OUT_OF_MEMORY["the kernel killed the worker"]
) -> None:
    """Let the newest pod run out of memory."""
    world.pod_status(world.cluster.all("Pod")[-1]["metadata"]["name"], status)
    await world.settle()


@pytest.mark.parametrize("status", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY)
async def test_it_is_tried_once_more_by_a_job_that_says_to_need_less(status: Document) -> None:
    world = await a_running_world()
    first = world.job

    await starve(world, status)

    second = world.cluster.one("Job")
    assert second["metadata"]["name"] == f"{first['metadata']['name']}-lean"
    assert LEAN not in environment(first)
    assert LEAN in environment(second)
    run, failure = world.status.run, world.status.last_failure
    assert run is not None
    assert failure is not None
    assert (run.job, run.lean, run.attempt) == (second["metadata"]["name"], True, 2)
    assert failure.reason is Reason.OUT_OF_MEMORY


async def test_a_lean_worker_that_succeeds_ends_the_run_well() -> None:
    world = await a_running_world()
    await starve(world)

    world.start_pod("b")
    await world.settle()
    assert world.told == ("Running", "InProgress")
    world.end(0, kubelet.success())
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")
    assert world.events == ["Started", "OutOfMemory", "Succeeded"]


async def test_a_lean_worker_that_runs_out_of_memory_ends_the_run_and_names_the_limit() -> None:
    limits = {"resources": {"limits": {"memory": "8Gi"}}}
    world = await a_running_world(a_resource().with_(worker=limits))
    await starve(world)

    world.start_pod("b")
    await starve(world)

    failure = world.status.last_failure
    assert failure is not None
    assert (world.told, world.cluster.all("Job")) == (("Failed", "OutOfMemory"), [])
    assert "8Gi" in failure.message
    assert "spec.worker.resources.limits.memory" in failure.message
    assert world.written("create", "Job") == 2


async def test_other_failures_of_a_lean_worker_are_tried_again_as_ever() -> None:
    world = await a_running_world()
    await starve(world)
    pod = world.start_pod("b")

    world.pod_status(pod, kubelet.ended(40, kubelet.failure(ExitCode.TRANSIENT)))
    world.job_status({"failed": 1})
    await world.settle()

    assert world.told == ("Running", "Retrying")
    assert world.written("create", "Job") == 2


async def test_who_wants_no_second_try_gets_none() -> None:
    world = await a_running_world(a_resource().with_(run={"backoffLimit": 0}))

    await starve(world)
    world.job_status(kubelet.failed("BackoffLimitExceeded"))
    await world.settle()

    assert world.told == ("Failed", "OutOfMemory")
    assert world.written("create", "Job") == 1


async def test_a_job_that_gave_up_while_the_operator_was_down_is_tried_once_more() -> None:
    world = await a_running_world()
    world.pod_status(
        world.cluster.one("Pod")["metadata"]["name"], OUT_OF_MEMORY["the kernel killed the worker"]
    )
    world.job_status(kubelet.failed("BackoffLimitExceeded"))

    world.restart_operator()
    await world.settle()

    assert world.told[0] == "Pending"
    assert [job["metadata"]["name"].endswith("-lean") for job in world.cluster.all("Job")] == [
        False,
        True,
    ]


async def test_a_kill_by_anybody_else_is_a_failure_like_any_other() -> None:
    world = await a_running_world()

    await starve(world, kubelet.ended(137))
    world.job_status({"failed": 1})
    await world.settle()

    failure = world.status.last_failure
    assert failure is not None
    assert (world.told, failure.reason) == (("Running", "Retrying"), Reason.JOB_FAILED)
    assert world.written("create", "Job") == 1


async def test_an_edit_of_policy_stays_lean_and_an_edit_of_work_does_not() -> None:
    world = await a_running_world()
    await starve(world)

    world.edit(run={"backoffLimit": 7})
    await world.settle()
    assert LEAN in environment(world.cluster.one("Job"))
    world.edit(steps=[PRUNE], run={"backoffLimit": 7})
    await world.settle()

    assert LEAN not in environment(world.cluster.one("Job"))
    assert world.status.run is not None
    assert world.status.run.lean is False


async def test_a_lean_run_that_is_suspended_in_a_queue_comes_back_lean() -> None:
    world = World(a_resource().with_(scheduling={"queueName": "team-a"}))
    await world.settle()
    world.cluster.put("Job", {**world.job, "spec": {**world.job["spec"], "suspend": False}})
    world.start_pod()
    await world.settle()
    await starve(world)

    world.edit(run={"suspend": True})
    await world.settle()
    assert world.cluster.all("Job") == []
    world.edit(run={"suspend": False})
    await world.settle()

    assert LEAN in environment(world.cluster.one("Job"))


async def test_an_attempt_that_succeeded_is_followed_by_no_other() -> None:
    world = await a_running_world()
    world.pod_status(
        world.cluster.one("Pod")["metadata"]["name"], kubelet.ended(50, kubelet.failure())
    )
    world.job_status({"failed": 1})
    await world.settle()
    pod = world.start_pod("b")
    await world.settle()
    before = world.status

    world.pod_status(pod, kubelet.ended(0, kubelet.success()))
    await world.settle()

    assert world.told == ("Running", "InProgress")
    assert world.status == before
