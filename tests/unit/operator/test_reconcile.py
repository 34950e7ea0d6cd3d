"""Stories of a resource's life: what is written, what users are told, what is not done twice."""

import pytest

from lathe_api.v1alpha1.resource import KIND
from lathe_api.v1alpha1.status import ConditionType
from lathe_operator.decide import names
from lathe_operator.decide.names import RESTART
from lathe_operator.errors import Faulted
from lathe_operator.values import Ended, Ref
from tests import kubelet
from tests.builders import EXPORT, PRUNE, QUANTIZE, a_resource, target
from tests.fake_cluster import Fault
from tests.world import World, a_running_world


async def a_finished_world() -> World:
    world = await a_running_world()
    world.end(0, kubelet.success())
    await world.settle()
    return world


async def test_a_run_takes_one_job_two_patches_and_two_events() -> None:
    world = await a_finished_world()

    assert world.told == ("Succeeded", "Succeeded")
    assert [write[:2] for write in world.cluster.writes] == [
        ("create", "Job"),
        ("create", "Event"),
        ("patch", "status"),
        ("create", "Event"),
        ("patch", "status"),
    ]


async def test_a_run_that_starts_late_is_told_of_once_more() -> None:
    world = World()
    await world.pass_time(0)
    await world.pass_time(3)
    assert world.told == ("Pending", "Pending")

    world.start_pod()
    await world.settle()
    world.end(0, kubelet.success())
    await world.settle()

    assert world.written("create", "Job") + world.written("patch", "status") == 4
    assert world.events == ["Started", "Succeeded"]


async def test_an_end_is_counted_once() -> None:
    world = await a_running_world()
    world.cluster.now += 5 * kubelet.MINUTE
    world.end(0, kubelet.success())
    await world.settle()
    world.restart_operator()
    await world.settle()

    assert world.ended == [Ended("Succeeded", "Succeeded", 300.0)]


async def test_what_is_known_of_a_run_outlives_its_pods_and_its_job() -> None:
    world = await a_running_world()
    pod = world.cluster.one("Pod")["metadata"]["name"]
    world.pod_status(pod, kubelet.ended(50, kubelet.failure()))
    world.job_status({"failed": 1})
    await world.settle()
    assert world.status.run is not None
    started = world.status.run.start_time

    world.cluster.remove("Pod", pod)
    await world.pass_time(60)
    world.cluster.remove("Job", world.job["metadata"]["name"])
    await world.settle()

    assert world.told == ("Failed", "JobDeleted")
    assert (world.status.run.start_time, world.status.run.attempt) == (started, 2)


async def test_a_new_operator_writes_nothing_about_what_is_told_already() -> None:
    world = await a_finished_world()
    before = list(world.cluster.writes)

    world.restart_operator()
    await world.settle()
    world.cluster.remove("Job", world.job["metadata"]["name"])
    await world.pass_time(7200)

    assert world.cluster.writes == before


async def test_an_operator_that_was_down_tells_the_end_that_it_missed() -> None:
    world = await a_running_world()
    world.end(0, kubelet.success())

    world.restart_operator()
    await world.pass_time(600)

    assert world.told == ("Succeeded", "Succeeded")


async def test_what_came_out_is_in_status() -> None:
    world = await a_finished_world()
    status = world.status

    assert status.run is not None
    assert status.summary is not None
    assert (status.run.key, status.run.job) == ("5f3a9c1e" * 8, world.job["metadata"]["name"])
    assert (status.summary.size, status.summary.model) == ("-87%", "digits")
    assert [artifact.name for artifact in status.artifacts] == ["model.onnx"]
    assert world.condition(ConditionType.GATES_PASSED).reason == "AllGatesPassed"


async def test_the_workers_progress_is_never_touched() -> None:
    world = await a_running_world()
    found = world.cluster.objects[KIND, world.ref]
    progress = {"percent": 42, "step": "prune"}
    world.cluster.put(KIND, {**found, "status": {**found["status"], "progress": progress}})

    world.end(0, kubelet.success())
    await world.settle()

    assert world.cluster.objects[KIND, world.ref]["status"]["progress"] == progress


async def test_while_the_watches_are_silent_nothing_is_written_twice() -> None:
    world = World()
    world.cluster.freeze()
    await world.settle()
    await world.settle()
    assert world.written("create", "Job") == 1

    world.cluster.thaw()
    world.start_pod()
    world.cluster.freeze()
    await world.settle()
    await world.settle()

    assert world.written("patch", "status") == 1


async def test_a_watch_that_lost_a_write_stops_nothing_for_ever() -> None:
    world = World()
    world.cluster.freeze()
    await world.settle()

    assert world.again is not None
    await world.pass_time(world.again.total_seconds())

    assert len(world.cluster.all("Job")) == 1
    assert world.written("create", "Job") == 2


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
    kept = world.cluster.one("Job")
    world.cluster.freeze()
    assert world.cluster._shown is not None
    del world.cluster._shown["Job", Ref("team", kept["metadata"]["name"])]
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


INVALID = {
    "a chain that breaks": {"steps": [EXPORT, PRUNE]},
    "a torch file that the administrator does not allow": {
        "model": {**a_resource().spec["model"], "format": "StateDict"}
    },
    "a label that is ours": {"worker": {"labels": {"lathe.dev/managed": "false"}}},
    "a data set that nobody declares": {"datasets": [], "steps": [EXPORT, QUANTIZE]},
}


@pytest.mark.parametrize("fields", INVALID.values(), ids=INVALID)
async def test_what_cannot_be_run_gets_a_condition_and_no_job(fields: dict[str, object]) -> None:
    world = World(a_resource().with_(**fields))

    await world.settle()

    assert world.told == ("Failed", "InvalidSpec")
    assert world.condition(ConditionType.ACCEPTED).status == "False"
    assert world.condition(ConditionType.ACCEPTED).message.startswith("spec.")
    assert (world.cluster.all("Job"), world.events) == ([], ["InvalidSpec"])


async def test_a_mended_resource_is_run() -> None:
    world = World(a_resource().steps(EXPORT, PRUNE))
    await world.settle()

    world.edit(steps=[PRUNE, EXPORT])
    await world.settle()

    assert world.told == ("Pending", "Pending")
    assert len(world.cluster.all("Job")) == 1


async def test_an_edit_to_something_invalid_stops_the_work() -> None:
    world = await a_running_world()

    world.edit(steps=[EXPORT, PRUNE])
    await world.settle()

    assert (world.told, world.cluster.all("Job")) == (("Failed", "InvalidSpec"), [])


async def test_what_the_administrator_allows_later_is_run_then() -> None:
    model = {**a_resource().spec["model"], "format": "StateDict"}
    world = World(a_resource().with_(model=model))
    await world.settle()

    world.policy = type(world.policy)("worker:1", allow_state_dict=True)
    world.restart_operator()
    await world.settle()

    assert len(world.cluster.all("Job")) == 1


async def test_a_job_that_the_server_refuses_is_asked_for_again_and_told_in_its_words() -> None:
    world = World()
    world.cluster.refuse["Job"] = "exceeded quota: count/jobs.batch=1"
    await world.settle()
    assert world.told == ("Pending", "AdmissionDenied")
    assert "exceeded quota" in world.condition(ConditionType.ADMITTED).message
    patches = world.written("patch", "status")
    await world.settle()
    assert world.written("patch", "status") == patches

    del world.cluster.refuse["Job"]
    assert world.again is not None
    await world.pass_time(world.again.total_seconds())

    assert len(world.cluster.all("Job")) == 1
    assert world.told == ("Pending", "Pending")


async def test_a_pod_that_the_server_refuses_is_found_out_without_reading_events() -> None:
    world = World()
    world.cluster.refuse["Pod"] = "violates PodSecurity: restricted"
    await world.settle()
    await world.pass_time(3)
    assert world.again is not None

    await world.pass_time(world.again.total_seconds())
    assert world.told == ("Pending", "AdmissionDenied")
    assert "PodSecurity" in world.condition(ConditionType.ADMITTED).message
    await world.pass_time(30)
    assert world.told == ("Pending", "AdmissionDenied")
    world.start_pod()
    await world.settle()

    assert world.told == ("Running", "InProgress")
    assert world.events == ["AdmissionDenied", "Started"]


async def test_a_name_that_is_taken_is_a_conflict_and_nothing_is_deleted() -> None:
    world = World()
    await world.settle()
    name = world.job["metadata"]["name"]
    other = World()
    other.cluster.put("Job", {"metadata": {"name": name}, "spec": {}})

    await other.settle()

    assert other.told == ("Pending", "NameConflict")
    assert len(other.cluster.all("Job")) == 1


async def test_targets_on_one_gpu_product_land_on_its_nodes() -> None:
    gpu = target("l4", "TensorRT", gpu={"product": "NVIDIA-L4"})
    world = World(a_resource().targets(gpu))

    await world.settle()

    selector = world.job["spec"]["template"]["spec"]["nodeSelector"]
    assert selector == {"nvidia.com/gpu.product": "NVIDIA-L4"}
