"""Events: one when something happened, none when nothing did."""

from collections.abc import Awaitable, Callable

import pytest

from tests import kubelet
from tests.builders import EXPORT, PRUNE, a_resource
from tests.world import World, a_running_world

Story = Callable[[], Awaitable[World]]


async def succeeded() -> World:
    world = await a_running_world()
    world.end(0, kubelet.success())
    await world.settle()
    return world


async def failed() -> World:
    world = await a_running_world()
    world.end(50, kubelet.failure())
    await world.settle()
    return world


async def failed_twice_in_the_same_words() -> World:
    world = await a_running_world()
    for pod in ("b", "c"):
        last = world.cluster.all("Pod")[-1]["metadata"]["name"]
        world.pod_status(last, kubelet.ended(50, kubelet.failure()))
        world.job_status({"failed": len(world.cluster.all("Pod"))})
        await world.settle()
        world.cluster.now += kubelet.MINUTE
        world.start_pod(pod)
        await world.settle()
    return world


async def hindered_and_helped() -> World:
    world = World()
    await world.settle()
    pod = world.start_pod(status=kubelet.unschedulable("0/5 nodes"))
    await world.settle()
    world.pod_status(pod, kubelet.unschedulable("0/6 nodes"))
    await world.settle()
    world.pod_status(pod, kubelet.running())
    await world.settle()
    return world


async def refused_twice() -> World:
    world = World(a_resource().steps(EXPORT, PRUNE))
    await world.settle()
    world.edit(run={"backoffLimit": 1})
    await world.settle()
    return world


async def cancelled() -> World:
    world = await a_running_world()
    world.edit(run={"cancel": True})
    await world.settle()
    return world


async def done_there_and_back() -> World:
    world = await succeeded()
    for steps in ([PRUNE], None):
        world.edit(steps=steps)
        await world.settle()
        world.start_pod(str(steps is None))
        world.end(0, kubelet.success())
        await world.settle()
    return world


STORIES: dict[str, tuple[list[str], Story]] = {
    "a run that succeeds": (["Started", "Succeeded"], succeeded),
    "a run that fails": (["Started", "StepFailed"], failed),
    "a run that is cancelled": (["Started", "Cancelled"], cancelled),
    "attempts that fail alike": (
        ["Started", "StepFailed", "StepFailed"],
        failed_twice_in_the_same_words,
    ),
    "a pod that no node took for a while": (["Unschedulable", "Started"], hindered_and_helped),
    "a resource that stays invalid": (["InvalidSpec"], refused_twice),
    "work that was done three times": (["Started", "Succeeded"] * 3, done_there_and_back),
}


@pytest.mark.parametrize(("events", "story"), STORIES.values(), ids=STORIES)
async def test_what_is_told(events: list[str], story: Story) -> None:
    world = await story()

    assert world.events == events


async def test_an_event_is_about_the_resource_and_says_what_status_says() -> None:
    world = await failed()
    event = world.cluster.all("Event")[-1]

    assert event["regarding"]["uid"] == world.cluster.one("ModelOptimization")["metadata"]["uid"]
    assert (event["type"], event["reason"]) == ("Warning", "StepFailed")
    assert event["note"] == "prune: layer conv3 cannot be pruned"


async def test_a_note_is_cut_where_the_server_would_refuse_it() -> None:
    world = await a_running_world()
    world.end(50, kubelet.failure(message="ü" * 900))
    await world.settle()

    note = world.cluster.all("Event")[-1]["note"]
    assert len(note.encode()) <= 1024
    assert note.endswith("…")


async def test_an_event_that_the_server_refuses_keeps_status_from_nothing() -> None:
    world = World()
    world.cluster.refuse["Event"] = "no"
    await world.pass_time(0)
    await world.pass_time(3)
    world.start_pod()
    await world.settle()

    assert world.told == ("Running", "InProgress")
