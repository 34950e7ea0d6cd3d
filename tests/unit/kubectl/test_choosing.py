"""Whose log it is that somebody wants to read who names only the resource."""

import copy
from typing import Any

import pytest

from lathe_api.v1alpha1.resource import KIND
from lathe_kubectl import choosing
from lathe_kubectl.seen import Seen, seen
from tests import kubelet
from tests.world import World, a_finished_world, a_running_world


def seen_in(world: World, **status: Any) -> Seen:
    owned = [{**body, "kind": kind} for kind in ("Job", "Pod") for body in world.cluster.all(kind)]
    resource = copy.deepcopy(world.cluster.objects[KIND, world.ref])
    resource["status"] = {**(resource.get("status") or {}), **status}
    return seen(resource, owned, world.cluster.now)


async def after_a_failed_attempt() -> World:
    world = await a_running_world()
    pod = world.cluster.one("Pod")["metadata"]["name"]
    world.pod_status(pod, kubelet.ended(50, kubelet.failure()))
    world.job_status({"failed": 1})
    await world.settle()
    world.cluster.now += kubelet.MINUTE
    return world


async def test_of_a_run_that_goes_on_it_is_the_pod_that_runs() -> None:
    world = await after_a_failed_attempt()
    world.start_pod("b")
    await world.settle()

    assert choosing.pod(seen_in(world)).name.endswith("-b")


async def test_between_two_attempts_it_is_the_one_that_failed() -> None:
    assert choosing.pod(seen_in(await after_a_failed_attempt())).name.endswith("-a")


async def test_of_a_run_that_failed_it_is_the_attempt_that_is_to_blame() -> None:
    world = await after_a_failed_attempt()
    world.start_pod("b", kubelet.disrupted())
    world.job_status(kubelet.failed())
    await world.settle()
    found = seen_in(world)

    assert world.told == ("Failed", "StepFailed")
    assert choosing.pod(found).name.endswith("-a")


async def test_of_a_run_that_succeeded_it_is_the_last_pod() -> None:
    assert choosing.pod(seen_in(await a_finished_world())).name.endswith("-a")


async def test_of_a_target_it_is_the_pod_of_the_job_that_makes_it() -> None:
    world = await a_running_world()
    job = world.job["metadata"]["name"]
    found = seen_in(
        world,
        targets=[{"name": "l4", "job": f"{job}-build1"}, {"name": "cpu", "job": job}],
    )

    assert choosing.pod(found, "cpu").name.endswith("-a")
    with pytest.raises(choosing.NoPod, match="l4, cpu"):
        choosing.pod(found, "a100")
    with pytest.raises(choosing.NoPod):
        choosing.pod(found, "l4")


async def test_a_second_job_of_a_run_does_not_hide_the_first() -> None:
    world = await a_running_world()
    found = seen_in(world, run={"job": f"{world.job['metadata']['name']}-again"})

    assert choosing.pod(found).name.endswith("-a")


async def test_who_reads_one_of_two_running_pods_is_told_of_the_other() -> None:
    world = await a_running_world()
    world.start_pod("b")
    found = seen_in(world)
    chosen = choosing.pod(found)

    assert [pod.name[-1] for pod in choosing.others(found, chosen)] == ["a"]


async def test_a_run_without_a_pod_says_why_there_is_none() -> None:
    waiting, finished = World(), await a_finished_world()
    await waiting.settle()
    finished.cluster.remove("Pod", finished.cluster.one("Pod")["metadata"]["name"])

    with pytest.raises(choosing.NoPod, match="kubectl lathe status"):
        choosing.pod(seen_in(waiting))
    with pytest.raises(choosing.NoPod, match="jobTTLSecondsAfterFinished"):
        choosing.pod(seen_in(finished))


async def test_pods_of_a_namesake_of_before_are_not_read() -> None:
    world = await a_running_world()
    owned = [{**body, "kind": kind} for kind in ("Job", "Pod") for body in world.cluster.all(kind)]
    other = copy.deepcopy(world.cluster.objects[KIND, world.ref])
    other["metadata"]["uid"] = "somebody-else"

    with pytest.raises(choosing.NoPod):
        choosing.pod(seen(other, owned, world.cluster.now))
