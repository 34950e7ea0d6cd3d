"""What users read in each phase of a run, whole."""

from collections.abc import Awaitable, Callable

import pytest

from lathe_api.v1alpha1.resource import KIND
from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet
from tests.builders import EXPORT, PRUNE, a_resource
from tests.golden_files import Golden, as_yaml, without_digests
from tests.world import World, a_running_world

Story = Callable[[], Awaitable[World]]


async def pending() -> World:
    world = World()
    await world.settle()
    await world.pass_time(3)
    return world


async def unschedulable() -> World:
    world = World()
    await world.settle()
    world.start_pod(status=kubelet.unschedulable())
    await world.settle()
    return world


async def retrying() -> World:
    world = await a_running_world()
    pod = world.cluster.one("Pod")["metadata"]["name"]
    world.pod_status(pod, kubelet.ended(139))
    world.job_status({"failed": 1})
    await world.settle()
    return world


async def out_of_memory() -> World:
    world = await a_running_world(
        a_resource().with_(worker={"resources": {"limits": {"memory": "8Gi"}}})
    )
    for suffix in "bc":
        pod = world.cluster.all("Pod")[-1]["metadata"]["name"]
        world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
        await world.settle()
        if world.cluster.all("Job"):
            world.start_pod(suffix)
    return world


async def succeeded() -> World:
    world = await a_running_world()
    world.cluster.now += 20 * kubelet.MINUTE
    world.end(0, kubelet.success())
    await world.settle()
    return world


async def gate_failed() -> World:
    world = await a_running_world()
    words = "Top1 fell by 0.08 on cpu, more than 0.01"
    told = kubelet.failure(
        ExitCode.GATE_FAILED,
        Reason.GATE_FAILED,
        words,
        gates=Reason.ACCURACY_BELOW_THRESHOLD,
        gate_message=words,
    )
    world.end(10, told)
    await world.settle()
    return world


async def invalid() -> World:
    world = World(a_resource().steps(EXPORT, PRUNE))
    await world.settle()
    return world


async def suspended() -> World:
    world = World(a_resource().with_(run={"suspend": True}))
    await world.settle()
    return world


async def cancelled() -> World:
    world = await a_running_world()
    world.edit(run={"cancel": True})
    await world.settle()
    return world


STORIES: tuple[Story, ...] = (
    pending,
    unschedulable,
    a_running_world,
    retrying,
    out_of_memory,
    succeeded,
    gate_failed,
    invalid,
    suspended,
    cancelled,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_status(story: Story, golden: Golden) -> None:
    world = await story()

    name = story.__name__.removeprefix("a_").removesuffix("_world").replace("_", "-")
    status = world.cluster.objects[KIND, world.ref]["status"]
    golden(f"status-{name}.yaml", without_digests(as_yaml(status)))
