"""A fault at every write of a run of several stages: the next looks lead to the same end."""

from collections.abc import Awaitable, Callable

import pytest

from tests import kubelet
from tests.fake_cluster import Fault
from tests.staged_world import StagedWorld, a_staged_resource, broke, made
from tests.unit.operator.test_faults import end_state

Story = Callable[[StagedWorld], Awaitable[None]]


async def succeeds(world: StagedWorld) -> None:
    await world.built()
    world.finish("publish", message=world.published())
    await world.settle()


async def loses_a_target(world: StagedWorld) -> None:
    await world.compressed()
    world.finish("build1", 50, broke("old"))
    await world.settle()
    world.finish("build2", message=made("new"))
    await world.settle()
    world.finish("publish", message=world.published("old"))
    await world.settle()


async def is_suspended_among_builds(world: StagedWorld) -> None:
    await world.compressed()
    world.edit(run={"suspend": True})
    await world.settle()
    world.edit(run={"suspend": False})
    await world.settle()


async def runs_out_of_memory_in_a_build(world: StagedWorld) -> None:
    await world.compressed()
    pod = world.start("build1")
    await world.settle()
    world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
    await world.settle()


async def loses_a_job(world: StagedWorld) -> None:
    await world.compressed()
    world.cluster.remove("Job", world.stage("build2")["metadata"]["name"])
    await world.settle()


STORIES = (
    succeeds,
    loses_a_target,
    is_suspended_among_builds,
    runs_out_of_memory_in_a_build,
    loses_a_job,
)


@pytest.mark.parametrize("crash", [False, True], ids=["the operator lives", "the operator dies"])
@pytest.mark.parametrize("committed", [False, True], ids=["not done", "done but not answered"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_fault_at_any_write_leads_to_the_same_end(
    story: Story, *, committed: bool, crash: bool
) -> None:
    undisturbed = StagedWorld(a_staged_resource())
    await story(undisturbed)
    writes = len(undisturbed.cluster.writes)

    for at in range(1, writes + 1):
        world = StagedWorld(a_staged_resource())
        world.cluster.fault = Fault(at, committed)
        world.dies_at_faults = crash
        await story(world)

        assert end_state(world) == end_state(undisturbed), f"after a fault at write {at}"


async def test_the_order_in_which_builds_end_does_not_matter() -> None:
    ends = []
    for order in (("build1", "build2"), ("build2", "build1")):
        world = StagedWorld()
        await world.compressed()
        for stage in order:
            words = broke("old") if stage == "build1" else made("new")
            world.finish(stage, 50 if stage == "build1" else 0, words)
            await world.settle()
        world.finish("publish", message=world.published("old"))
        await world.settle()
        ends.append((world.told, world.told_of_stages(), [t.state for t in world.status.targets]))

    assert ends[0] == ends[1]
