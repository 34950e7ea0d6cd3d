"""Stories of what is refused: by the checks, by the administrator, by the API server."""

import pytest

from lathe_api.v1alpha1.status import ConditionType
from tests import kubelet
from tests.builders import EXPORT, PRUNE, QUANTIZE, a_resource, target
from tests.world import World, a_running_world

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


async def test_a_job_whose_controller_has_begun_is_asked_about_within_seconds() -> None:
    world = World()
    world.cluster.refuse["Pod"] = "exceeded quota: gpus"
    await world.settle()
    world.job_status({"startTime": kubelet.T0})

    await world.pass_time(4)
    assert world.written("try", "Pod") == 0
    await world.pass_time(1)

    assert world.told == ("Pending", "AdmissionDenied")
    assert world.written("patch", "status") == 2


async def test_a_next_attempt_whose_pod_is_refused_is_told_in_the_servers_words() -> None:
    world = await a_running_world()
    time = world.cluster.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    pod = world.cluster.one("Pod")["metadata"]["name"]
    world.pod_status(pod, kubelet.ended(40, kubelet.failure(), finished=time))
    world.job_status({"failed": 1})
    await world.settle()
    world.cluster.refuse["Pod"] = "exceeded quota: gpus"

    await world.pass_time(20)
    assert world.told == ("Running", "Retrying")
    await world.pass_time(5)

    assert world.told == ("Pending", "AdmissionDenied")


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
