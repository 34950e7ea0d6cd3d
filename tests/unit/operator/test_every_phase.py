"""Everything that users may do, in every phase: where it leads, and what must not happen."""

from collections.abc import Awaitable, Callable

import pytest

from lathe_api.v1alpha1.resource import KIND
from lathe_operator.decide.names import RESTART
from tests import kubelet
from tests.builders import EXPORT, PRUNE, a_resource
from tests.world import World, a_finished_world, a_running_world

Story = Callable[[], Awaitable[World]]


async def settled(world: World) -> World:
    """The world after its operator has looked, and after the patience with new runs."""
    await world.settle()
    await world.pass_time(3)
    return world


async def pending() -> World:
    return await settled(World())


async def unschedulable() -> World:
    world = await pending()
    world.start_pod(status=kubelet.unschedulable())
    return await settled(world)


async def queued() -> World:
    return await settled(World(a_resource().with_(scheduling={"queueName": "team"})))


async def retrying() -> World:
    world = await a_running_world()
    pod = world.cluster.one("Pod")["metadata"]["name"]
    world.pod_status(pod, kubelet.ended(50, kubelet.failure()))
    world.job_status({"failed": 1})
    return await settled(world)


async def lean() -> World:
    world = await a_running_world()
    pod = world.cluster.one("Pod")["metadata"]["name"]
    world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
    await world.settle()
    world.start_pod("b")
    return await settled(world)


async def suspended() -> World:
    world = await a_running_world()
    world.edit(run={"suspend": True})
    await world.settle()
    world.cluster.remove("Pod", world.cluster.one("Pod")["metadata"]["name"])
    return await settled(world)


async def failed() -> World:
    world = await a_running_world()
    world.end(30, kubelet.failure())
    return await settled(world)


async def cancelled() -> World:
    world = await a_running_world()
    world.edit(run={"cancel": True})
    return await settled(world)


async def invalid() -> World:
    return await settled(World(a_resource().steps(EXPORT, PRUNE)))


PHASES: dict[str, Story] = {
    "Pending": pending,
    "Unschedulable": unschedulable,
    "Queued": queued,
    "Running": a_running_world,
    "Retrying": retrying,
    "Lean": lean,
    "Suspended": suspended,
    "Succeeded": a_finished_world,
    "Failed": failed,
    "Cancelled": cancelled,
    "Invalid": invalid,
}


def run_policy(world: World) -> dict[str, object]:
    """What the spec says of the run by now."""
    found: dict[str, object] = world.resource.spec.get("run", {})
    return found


def edit_the_work(world: World) -> None:
    world.edit(steps=[{"name": "another", **PRUNE}])


def edit_the_policy(world: World) -> None:
    world.edit(run={**run_policy(world), "backoffLimit": 7})


def request_a_restart(world: World) -> None:
    world.annotate(**{RESTART: "again"})


def suspend(world: World) -> None:
    world.edit(run={**run_policy(world), "suspend": True})


def resume(world: World) -> None:
    world.edit(run={**run_policy(world), "suspend": False})


def cancel(world: World) -> None:
    world.edit(run={**run_policy(world), "cancel": True})


Action = Callable[[World], None]
NEW_RUN = {
    **dict.fromkeys(PHASES, "Pending"),
    "Queued": "Queued",
    "Suspended": "Suspended",
    "Cancelled": "Cancelled",  # the spec still says so
}
AS_IT_WAS = {
    **{phase: phase for phase in PHASES},
    "Unschedulable": "Pending",
    "Retrying": "Running",
    "Lean": "Running",
    "Invalid": "Failed",
}
OPEN = ("Pending", "Unschedulable", "Queued", "Running", "Retrying", "Lean", "Suspended")

LEADS_TO: dict[Action, dict[str, str]] = {
    edit_the_work: NEW_RUN,
    request_a_restart: {**NEW_RUN, "Invalid": "Failed"},
    edit_the_policy: AS_IT_WAS,
    suspend: {**AS_IT_WAS, **dict.fromkeys(OPEN, "Suspended")},
    resume: {**AS_IT_WAS, "Suspended": "Pending"},
    cancel: {**AS_IT_WAS, **dict.fromkeys(OPEN, "Cancelled")},
}
CASES = [(action, phase) for action in LEADS_TO for phase in PHASES]


@pytest.mark.parametrize(
    ("action", "phase"), CASES, ids=[f"{action.__name__} when {phase}" for action, phase in CASES]
)
async def test_where_it_leads(action: Action, phase: str) -> None:
    world = await PHASES[phase]()
    before = world.status

    action(world)
    await settled(world)

    status = world.status
    assert status.phase == LEADS_TO[action][phase]
    assert status.observed_generation == world.cluster.one(KIND)["metadata"]["generation"]
    assert all(it.observed_generation == status.observed_generation for it in status.conditions)
    if action in (edit_the_work, request_a_restart) and status.phase != "Failed":
        assert (status.artifacts, status.metrics, status.manifest_uri) == ((), (), None)
        assert status.run is not None
        assert status.run.plan != (before.run.plan if before.run else None)
        assert status.run.key is None
    open_jobs = [job for job in world.cluster.all("Job") if not is_ended(job)]
    assert len(open_jobs) <= 1


def is_ended(job: dict[str, object]) -> bool:
    status = job.get("status")
    conditions = status.get("conditions", ()) if isinstance(status, dict) else ()
    return any(each["type"] in ("Complete", "Failed") for each in conditions)


@pytest.mark.parametrize("phase", ["Running", "Retrying", "Lean"])
@pytest.mark.parametrize("action", [edit_the_work, request_a_restart])
async def test_an_end_that_comes_with_an_edit_is_not_the_end_of_what_is_asked_for_now(
    action: Action, phase: str
) -> None:
    world = await PHASES[phase]()
    if phase == "Retrying":
        world.start_pod("b")

    action(world)
    world.end(0, kubelet.success())
    await settled(world)

    status = world.status
    assert (status.phase, status.artifacts) == ("Pending", ())
    assert status.run is not None
    assert status.run.completion_time is None


@pytest.mark.parametrize("phase", PHASES)
async def test_a_resource_that_is_being_deleted_is_left_alone(phase: str) -> None:
    world = await PHASES[phase]()
    before = list(world.cluster.writes)
    found = world.cluster.one(KIND)
    metadata = {**found["metadata"], "deletionTimestamp": kubelet.T0}

    world.cluster.put(KIND, {**found, "metadata": metadata})
    await settled(world)

    assert world.cluster.writes == before


@pytest.mark.parametrize("phase", PHASES)
async def test_an_operator_that_begins_anew_finds_nothing_to_write(phase: str) -> None:
    world = await PHASES[phase]()
    before = list(world.cluster.writes)

    world.restart_operator()
    await settled(world)

    assert world.cluster.writes == before
