"""Stories of changes: edits, suspension, cancellation, deletion, and what others do to a Job."""

import pytest

from lathe_api.v1alpha1.resource import KIND
from lathe_operator.decide import names
from lathe_operator.decide.names import RESTART
from lathe_operator.errors import Faulted
from tests import kubelet
from tests.builders import PRUNE, a_resource
from tests.fake_cluster import Fault
from tests.world import World, a_finished_world, a_running_world


async def test_an_edit_of_the_work_ends_the_old_job_and_begins_another() -> None:
    world = await a_running_world()
    old = world.job["metadata"]["name"]

    world.edit(steps=[PRUNE])
    await world.settle()

    assert [job["metadata"]["name"] for job in world.cluster.all("Job")] != [old]
    assert len(world.cluster.all("Job")) == 1
    assert world.status.run is not None
    assert world.status.run.job == world.job["metadata"]["name"]
    assert world.told == ("Pending", "Pending")


async def test_more_memory_for_the_worker_is_new_work() -> None:
    world = await a_running_world()
    world.end(50, kubelet.failure())
    await world.settle()
    assert world.told == ("Failed", "StepFailed")

    world.edit(worker={"resources": {"limits": {"memory": "64Gi"}}})
    await world.settle()

    assert world.told == ("Pending", "Pending")
    assert world.status.last_failure is None


async def test_an_edit_of_policy_goes_on_with_the_run_and_takes_effect() -> None:
    world = await a_running_world()
    job = world.job["metadata"]["uid"]

    world.edit(run={"backoffLimit": 7, "jobTTLSecondsAfterFinished": 60})
    await world.settle()

    assert world.job["metadata"]["uid"] == job
    assert world.job["spec"]["backoffLimit"] == 7
    assert world.job["spec"]["ttlSecondsAfterFinished"] == 60
    assert (world.told, world.status.observed_generation) == (("Running", "InProgress"), 2)


async def test_an_edit_of_policy_after_the_end_does_no_work_again() -> None:
    world = await a_finished_world()
    before = world.status
    world.cluster.remove("Job", world.job["metadata"]["name"])

    world.edit(run={"backoffLimit": 7, "suspend": True})
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")
    assert world.written("create", "Job") == 1
    assert world.status.observed_generation == 2
    assert world.status.artifacts == before.artifacts


async def test_work_that_comes_back_is_done_again() -> None:
    world = await a_finished_world()
    first = world.job["metadata"]["name"]

    world.edit(steps=[PRUNE])
    await world.settle()
    world.edit(steps=None)
    await world.settle()

    assert world.told == ("Pending", "Pending")
    assert world.job["metadata"]["name"] != first
    working = [job for job in world.cluster.all("Job") if "status" not in job]
    assert len(working) == 1


async def test_work_that_comes_back_before_anybody_was_told_is_done_once() -> None:
    world = await a_running_world()
    world.edit(steps=[PRUNE])
    world.cluster.fault = Fault(at=len(world.cluster.writes) + 3, committed=False)
    with pytest.raises(Faulted):
        await world.look()
    assert world.status.observed_generation == 1

    world.edit(steps=None)
    await world.settle()

    assert world.told == ("Pending", "Pending")
    assert len(world.cluster.all("Job")) == 1


async def test_a_newer_operator_that_names_work_otherwise_does_none_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, finished = await a_running_world(), await a_finished_world()
    finished.cluster.remove("Job", finished.job["metadata"]["name"])

    monkeypatch.setattr(names, "work_digest", lambda *_: "another")
    for world in (running, finished):
        before = list(world.cluster.writes)
        world.restart_operator()
        await world.settle()

        assert world.cluster.writes == before


async def test_a_request_to_restart_does_finished_work_again_once() -> None:
    world = await a_finished_world()

    world.annotate(**{RESTART: "2026-11-20T12:00:00Z"})
    await world.settle()
    assert world.told == ("Pending", "Pending")
    world.start_pod("b")
    world.end(0, kubelet.success())
    await world.settle()
    world.restart_operator()
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")
    assert world.written("create", "Job") == 2


async def test_suspending_holds_the_job_and_resuming_lets_it_go_on() -> None:
    world = await a_running_world()
    job = world.job["metadata"]["uid"]

    world.edit(run={"suspend": True})
    await world.settle()
    assert (world.told, world.job["spec"]["suspend"]) == (("Suspended", "Suspended"), True)
    world.cluster.remove("Pod", world.cluster.one("Pod")["metadata"]["name"])
    world.edit(run={"suspend": False})
    await world.pass_time(60)

    assert (world.job["metadata"]["uid"], world.job["spec"]["suspend"]) == (job, False)
    assert world.told == ("Pending", "Pending")


async def test_what_is_suspended_from_the_start_gets_no_job_until_it_is_resumed() -> None:
    world = World(a_resource().with_(run={"suspend": True}))
    await world.settle()
    assert (world.told, world.cluster.all("Job")) == (("Suspended", "Suspended"), [])

    world.edit(run={"suspend": False})
    await world.settle()

    assert len(world.cluster.all("Job")) == 1


async def test_a_queue_owns_suspension_so_that_its_job_is_deleted_and_made_again() -> None:
    world = World(a_resource().with_(scheduling={"queueName": "team-a"}))
    await world.settle()
    assert (world.told, world.job["spec"]["suspend"]) == (("Queued", "WaitingForQuota"), True)

    world.edit(run={"suspend": True})
    await world.settle()
    assert (world.told, world.cluster.all("Job")) == (("Suspended", "Suspended"), [])
    world.edit(run={"suspend": False})
    await world.settle()

    assert world.told == ("Queued", "WaitingForQuota")


async def test_cancelling_ends_the_job_and_nothing_begins_again() -> None:
    world = await a_running_world()

    world.edit(run={"cancel": True})
    await world.settle()
    world.edit(run={"cancel": True}, steps=[PRUNE])
    await world.settle()

    assert (world.told, world.cluster.all("Job")) == (("Cancelled", "Cancelled"), [])
    assert world.written("create", "Job") == 1


async def test_a_run_that_had_ended_is_not_cancelled_any_more() -> None:
    world = await a_running_world()

    world.end(0, kubelet.success())
    world.edit(run={"cancel": True})
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")


async def test_a_resource_that_is_being_deleted_is_left_to_its_owner_references() -> None:
    world = await a_running_world()
    before = list(world.cluster.writes)
    found = world.cluster.objects[KIND, world.ref]
    found["metadata"]["deletionTimestamp"] = "2026-11-20T10:00:00Z"

    world.end(0, kubelet.success())
    await world.settle()

    assert world.cluster.writes == before


async def test_a_namesake_that_was_deleted_and_created_again_gets_a_run_of_its_own() -> None:
    world = await a_finished_world()
    world.cluster.freeze()
    world.cluster.remove(KIND, "digits")
    world.cluster.apply(world.resource.document())
    world.edit(run={"backoffLimit": 1})
    await world.settle()

    world.cluster.thaw()
    await world.settle()

    assert len(world.cluster.all("Job")) == 1
    assert world.status.artifacts == ()


async def test_a_job_that_somebody_deleted_fails_the_run_and_stays_deleted() -> None:
    world = await a_running_world()

    world.cluster.remove("Job", world.job["metadata"]["name"])
    await world.settle()
    world.restart_operator()
    await world.settle()

    assert world.told == ("Failed", "JobDeleted")
    assert world.cluster.all("Job") == []


async def test_a_job_that_only_the_watch_does_not_show_is_not_taken_for_deleted() -> None:
    world = await a_running_world()
    world.cluster.hide("Job", world.job["metadata"]["name"])
    before = list(world.cluster.writes)

    world.restart_operator()
    for _ in range(3):
        with pytest.raises(Exception, match="exists"):
            await world.look()

    assert world.cluster.writes == before


async def test_a_finished_resource_goes_when_its_time_is_over() -> None:
    world = World(a_resource().with_(run={"ttlSecondsAfterFinished": 600}))
    await world.settle()
    world.start_pod()
    world.end(0, kubelet.success())
    await world.settle()
    assert world.again is not None
    assert world.again.total_seconds() == 600

    await world.pass_time(600)

    assert world.cluster.all(KIND) == []
