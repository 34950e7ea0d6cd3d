"""What is remembered of earlier runs, and that remembering costs no write."""

from lathe_api.v1alpha1.status import Phase
from lathe_operator.decide.names import RESTART
from tests import kubelet
from tests.builders import EXPORT, PRUNE
from tests.world import World, a_finished_world, a_running_world


def remembered(world: World) -> list[tuple[str, str]]:
    """How the last runs ended, newest first."""
    return [(str(run.phase), run.reason) for run in world.status.history]


async def run_again(world: World, number: int) -> None:
    """Ask for the work again, and let it succeed."""
    world.cluster.now += kubelet.MINUTE
    world.annotate(**{RESTART: f"request {number}"})
    await world.settle()
    world.start_pod(f"again-{number}")
    await world.settle()
    world.end(0, kubelet.success())
    await world.settle()


async def test_a_run_that_ends_is_remembered_by_the_write_that_tells_of_its_end() -> None:
    world = await a_running_world()
    before = world.written("patch", "status")

    world.end(0, kubelet.success())
    await world.settle()

    (run,) = world.status.history
    assert (run.phase, run.reason) == (Phase.SUCCEEDED, "Succeeded")
    assert run.manifest_uri == world.status.manifest_uri
    assert world.status.run is not None
    assert (run.key, run.start_time) == (world.status.run.key, world.status.run.start_time)
    assert world.written("patch", "status") == before + 1


async def test_of_many_runs_the_last_five_are_remembered_newest_first() -> None:
    world = await a_finished_world()

    for number in range(6):
        await run_again(world, number)

    assert [run.restart for run in world.status.history] == [
        f"request {number}" for number in (5, 4, 3, 2, 1)
    ]


async def test_a_run_that_an_edit_overtakes_is_remembered_as_superseded() -> None:
    world = await a_running_world()

    world.edit(steps=[PRUNE])
    await world.settle()

    assert remembered(world) == [("Cancelled", "Superseded")]


async def test_a_run_that_an_invalid_edit_overtakes_is_remembered_once() -> None:
    world = await a_running_world()

    world.edit(steps=[EXPORT, PRUNE])
    await world.settle()
    world.edit(steps=[EXPORT, PRUNE, EXPORT])
    await world.settle()

    assert world.told == ("Failed", "InvalidSpec")
    assert remembered(world) == [("Cancelled", "Superseded")]


async def test_a_run_that_never_started_is_no_run() -> None:
    world = World()
    await world.settle()

    world.edit(steps=[PRUNE])
    await world.settle()

    assert remembered(world) == []


async def test_an_edit_of_policy_forgets_nothing() -> None:
    world = await a_finished_world()

    world.edit(run={"backoffLimit": 7})
    await world.settle()

    assert remembered(world) == [("Succeeded", "Succeeded")]
