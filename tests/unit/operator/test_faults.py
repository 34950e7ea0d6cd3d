"""Whatever breaks, lags or repeats, the next looks lead to where nothing had."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lathe_api.v1alpha1.resource import KIND
from lathe_api.v1alpha1.status import Phase
from lathe_operator.decide.names import RESTART
from lathe_operator.errors import Failure
from lathe_steps.reasons import Reason
from tests import kubelet
from tests.builders import EXPORT, PRUNE, a_resource
from tests.fake_cluster import WATCHED, Fault
from tests.world import World

Story = Callable[[World], Awaitable[None]]


async def succeeds(world: World) -> None:
    await world.pass_time(3)
    world.start_pod()
    await world.settle()
    world.end(0, kubelet.success())
    await world.settle()


async def fails_once_and_succeeds(world: World) -> None:
    await world.settle()
    pod = world.start_pod("a")
    await world.settle()
    world.pod_status(pod, kubelet.ended(50, kubelet.failure()))
    world.job_status({"failed": 1})
    await world.settle()
    world.cluster.now += kubelet.MINUTE
    world.start_pod("b")
    await world.settle()
    world.end(0, kubelet.success())
    await world.settle()


async def runs_out_of_memory(world: World) -> None:
    await world.settle()
    pod = world.start_pod("a")
    await world.settle()
    world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
    await world.settle()
    world.start_pod("b")
    await world.settle()
    world.end(0, kubelet.success())
    await world.settle()


async def runs_out_of_memory_twice(world: World) -> None:
    await world.settle()
    for suffix in "ab":
        pod = world.start_pod(suffix)
        await world.settle()
        world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
        await world.settle()


async def fails_for_good(world: World) -> None:
    await world.settle()
    world.start_pod()
    await world.settle()
    world.end(30, kubelet.failure())
    await world.settle()


async def is_edited_while_it_runs(world: World) -> None:
    await world.settle()
    world.start_pod()
    await world.settle()
    world.edit(steps=[PRUNE])
    await world.settle()
    world.start_pod()
    await world.settle()


async def is_edited_there_and_back(world: World) -> None:
    await succeeds(world)
    world.edit(steps=[PRUNE])
    await world.settle()
    world.edit(steps=None)
    await world.settle()
    world.start_pod("c")
    world.end(0, kubelet.success())
    await world.settle()


async def is_suspended_and_resumed(world: World) -> None:
    await world.settle()
    pod = world.start_pod()
    await world.settle()
    world.edit(run={"suspend": True})
    await world.settle()
    world.cluster.remove("Pod", pod)
    world.edit(run={"suspend": False})
    await world.settle()


async def is_cancelled(world: World) -> None:
    await world.settle()
    world.start_pod()
    await world.settle()
    world.edit(run={"cancel": True})
    await world.settle()


async def loses_its_job(world: World) -> None:
    await world.settle()
    world.start_pod()
    await world.settle()
    world.cluster.remove("Job", world.job["metadata"]["name"])
    await world.settle()


async def waits_too_long(world: World) -> None:
    world.edit(run={"pendingDeadlineSeconds": 60})
    await world.settle()
    await world.pass_time(61)


async def runs_too_long(world: World) -> None:
    world.edit(run={"activeDeadlineSeconds": 60})
    await world.settle()
    world.start_pod()
    await world.settle()
    await world.pass_time(61)


async def is_invalid_and_mended(world: World) -> None:
    world.edit(steps=[EXPORT, PRUNE])
    await world.settle()
    world.edit(steps=[PRUNE])
    await world.settle()


async def is_restarted(world: World) -> None:
    await succeeds(world)
    world.annotate(**{RESTART: "again"})
    await world.settle()


async def outlives_its_time(world: World) -> None:
    world.edit(run={"ttlSecondsAfterFinished": 60})
    await succeeds(world)
    await world.pass_time(61)


async def takes_its_results_along(world: World) -> None:
    output = {**world.resource.spec["output"], "deletionPolicy": "Delete"}
    world.edit(output=output)
    await succeeds(world)
    uid = world.cluster.one(KIND)["metadata"]["uid"]
    fault, world.cluster.fault = world.cluster.fault, None
    await world.cluster.delete_resource(world.ref, uid)  # by the user
    if fault and fault.at > len(world.cluster.writes):
        world.cluster.fault = fault
    await world.settle()
    world.job_status(kubelet.complete())
    await world.settle()


STORIES = (
    succeeds,
    fails_once_and_succeeds,
    runs_out_of_memory,
    runs_out_of_memory_twice,
    fails_for_good,
    is_edited_while_it_runs,
    is_edited_there_and_back,
    is_suspended_and_resumed,
    is_cancelled,
    loses_its_job,
    waits_too_long,
    runs_too_long,
    is_invalid_and_mended,
    is_restarted,
    outlives_its_time,
    takes_its_results_along,
)


def end_state(world: World) -> dict[str, Any]:
    """What a story has led to, and everything that was ever created on the way."""
    masked = {}
    for (kind, ref), document in world.cluster.objects.items():
        metadata = {k: v for k, v in document["metadata"].items() if k != "resourceVersion"}
        masked[kind, ref] = {**document, "metadata": metadata}
    made = [each for each in world.cluster.made if each[0] != "Event"]
    events = sorted(each for each in world.cluster.made if each[0] == "Event")
    return {"objects": masked, "made": made, "events": events}


def a_world() -> World:
    return World(a_resource())


@pytest.mark.parametrize("crash", [False, True], ids=["the operator lives", "the operator dies"])
@pytest.mark.parametrize("committed", [False, True], ids=["not done", "done but not answered"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_fault_at_any_write_leads_to_the_same_end(
    story: Story, *, committed: bool, crash: bool
) -> None:
    undisturbed = a_world()
    await story(undisturbed)
    writes = len(undisturbed.cluster.writes)
    assert writes > 0

    for at in range(1, writes + 1):
        world = a_world()
        world.cluster.fault = Fault(at, committed)
        if crash:
            world.dies_at_faults = True
        await story(world)

        assert end_state(world) == end_state(undisturbed), f"after a fault at write {at}"


async def test_the_masks_hide_nothing_that_matters() -> None:
    one, other = a_world(), a_world()
    await succeeds(one)
    await fails_for_good(other)

    assert end_state(one) != end_state(other)
    assert {kind for kind, _ in end_state(one)["objects"]} == {KIND, "Job", "Pod", "Event"}


class UnrulyWorld(World):
    """A world whose watches lag behind one another, whose writes fail, whose operator dies."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        super().__init__(a_resource())

    async def settle(self) -> None:
        """A few looks that see what they can, and then, when all has caught up, those that do."""
        for fault, committed, dies in self._data.draw(DISTURBANCES):
            if fault:
                self.cluster.fault = Fault(len(self.cluster.writes) + fault, committed)
            if dies:
                self.cluster.thaw()  # a new process begins with a list from the server
                self.restart_operator()
            with suppress(Failure):
                await self.look()
            self.cluster.freeze(*self._data.draw(SILENT))
        self.cluster.thaw()
        await super().settle()
        self.cluster.freeze(*self._data.draw(SILENT))  # through what happens next


SILENT = st.sets(st.sampled_from(WATCHED), min_size=1)
"""The kinds whose watches say nothing for a while: what comes by the others comes earlier."""
DISTURBANCES = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=4)
"""Of each look: the write that fails, whether it was done, and whether the process was new."""


REMEMBERED = [story for story in STORIES if story is not loses_its_job]
"""Stories of which objects tell all, afterwards: not whether a Job that is gone had begun."""


@given(data=st.data())
@settings(max_examples=15, deadline=None)
async def test_a_lost_job_is_told_of_whatever_was_seen_of_it(data: st.DataObject) -> None:
    unruly = UnrulyWorld(data)
    await loses_its_job(unruly)

    assert unruly.told == (Phase.FAILED, Reason.JOB_DELETED)


@pytest.mark.parametrize("story", REMEMBERED, ids=lambda story: story.__name__)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
async def test_looks_that_see_parts_of_the_past_and_fail_lead_to_the_same_end(
    story: Story, data: st.DataObject
) -> None:
    undisturbed, unruly = a_world(), UnrulyWorld(data)
    await story(undisturbed)
    await story(unruly)

    assert end_state(unruly) == end_state(undisturbed)
