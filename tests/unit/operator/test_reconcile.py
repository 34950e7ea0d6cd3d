"""Stories of a resource's life: what is written, what users are told, what is not done twice."""

from lathe_api.v1alpha1.resource import KIND
from lathe_api.v1alpha1.status import ConditionType
from lathe_operator.facts import Ended
from tests import kubelet
from tests.world import World, a_finished_world, a_running_world


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

    (ended,) = [fact for fact in world.facts if isinstance(fact, Ended)]
    assert (ended.result, ended.reason, ended.seconds) == ("Succeeded", "Succeeded", 300.0)


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
