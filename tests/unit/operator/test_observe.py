"""A look is at one moment, and never at a past that we have changed ourselves."""

from datetime import timedelta

import pytest

from lathe_api.v1alpha1.resource import KIND
from lathe_api.validation import Invalid
from lathe_operator.errors import Faulted
from lathe_operator.observe import OwnWrites, observe
from lathe_operator.values import Ref, Version
from tests.builders import EXPORT, PRUNE, a_resource
from tests.world import BEGIN, World, a_running_world


def test_what_is_not_there_is_not_observed() -> None:
    world = World()

    assert observe(Ref("team", "other"), world.cluster, BEGIN) is None


async def test_everything_that_belongs_to_a_resource_is_in_one_value() -> None:
    world = await a_running_world()
    world.cluster.put("Job", {"metadata": {"name": "other"}, "spec": {}})

    seen = observe(world.ref, world.cluster, BEGIN)

    assert seen is not None
    assert [job.name for job in seen.jobs] == [world.cluster.all("Job")[0]["metadata"]["name"]]
    assert [len(pods) for pods in seen.pods.values()] == [1]
    assert seen.status == world.status


def test_what_is_invalid_is_a_value() -> None:
    world = World(a_resource().steps(EXPORT, PRUNE))

    seen = observe(world.ref, world.cluster, BEGIN)

    assert seen is not None
    assert isinstance(seen.document, Invalid)


async def test_a_status_of_another_version_is_a_fault_and_nothing_is_decided() -> None:
    world = await a_running_world()
    found = world.cluster.objects[KIND, world.ref]
    status = {**found["status"], "fromTheFuture": True}
    world.cluster.put(KIND, {**found, "status": status})

    with pytest.raises(Faulted):
        await world.look()


class TestOwnWrites:
    """What we wrote is waited for until the watches show it."""

    async def test_a_status_is_shown_by_its_version_or_a_later_one(self) -> None:
        world = await a_running_world()
        seen = world.cluster.resource(world.ref)
        assert seen is not None
        for ahead, awaited in ((1, True), (0, False), (-1, False)):
            own = OwnWrites()
            own.note(world.ref, BEGIN, Version(seen.uid, seen.version + ahead))

            assert bool(own.awaited_until(world.ref, world.cluster, BEGIN)) is awaited

    async def test_a_job_is_shown_when_it_is_there(self) -> None:
        world = await a_running_world()
        own = OwnWrites()
        (job,) = world.cluster.jobs(world.cluster.one(KIND)["metadata"]["uid"])

        own.note(world.ref, BEGIN, Version(job.uid, job.version))
        assert own.awaited_until(world.ref, world.cluster, BEGIN) is None
        own.note(world.ref, BEGIN, Version("unseen", 1))
        assert own.awaited_until(world.ref, world.cluster, BEGIN) is not None

    async def test_a_deletion_is_shown_when_the_job_is_gone_or_going(self) -> None:
        world = await a_running_world()
        own = OwnWrites()
        (job,) = world.cluster.jobs(world.cluster.one(KIND)["metadata"]["uid"])
        own.note(world.ref, BEGIN, Version(job.uid, None))
        assert own.awaited_until(world.ref, world.cluster, BEGIN) is not None

        world.job["metadata"]["deletionTimestamp"] = "2026-11-20T10:00:00Z"

        assert own.awaited_until(world.ref, world.cluster, BEGIN) is None

    def test_it_is_not_waited_for_ever(self) -> None:
        world = World()
        own = OwnWrites(patience=timedelta(seconds=10))
        own.note(world.ref, BEGIN, Version("unseen", 1))

        until = own.awaited_until(world.ref, world.cluster, BEGIN)

        assert until == BEGIN + timedelta(seconds=10)
        assert own.awaited_until(world.ref, world.cluster, until) is None

    def test_what_belongs_to_a_resource_that_is_gone_is_not_waited_for(self) -> None:
        world = World()
        own = OwnWrites()
        own.note(Ref("team", "gone"), BEGIN, Version("unseen", 1))

        assert own.awaited_until(Ref("team", "gone"), world.cluster, BEGIN) is None
