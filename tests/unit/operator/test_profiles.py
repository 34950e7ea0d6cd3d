"""Profiles: what a run took stays with it, and a profile that is missing heals by itself."""

import json
from typing import Any

import pytest

from lathe_api.plan import ANNOTATION
from lathe_api.v1alpha1.status import ConditionType, Phase
from tests import kubelet
from tests.builders import FUSE, PRUNE, QUANTIZE, Document, a_profile, a_resource, refers_to
from tests.world import World

CLUSTER = "ClusterOptimizationProfile"


def a_world(*profiles: Document, **fields: Any) -> World:
    """A resource that refers to the profile small, and profiles that are there already."""
    world = World(a_resource().with_(**{"profileRef": refers_to(), **fields}))
    for profile in profiles:
        world.cluster.apply(profile)
    return world


async def a_running_world(*profiles: Document, **fields: Any) -> World:
    world = a_world(*profiles, **fields)
    await world.settle()
    world.start_pod()
    await world.settle()
    return world


def steps_of(job: Document) -> list[str]:
    """Names of the steps that a Job was made for."""
    plan = json.loads(job["spec"]["template"]["metadata"]["annotations"][ANNOTATION])
    return [step["name"] for step in plan["steps"]]


async def test_a_run_does_the_steps_of_its_profile_under_its_limits() -> None:
    world = a_world(a_profile(steps=[PRUNE, FUSE], run={"backoffLimit": 7}))
    await world.settle()

    assert steps_of(world.job) == ["prune", "fuse", "export"]
    assert world.job["spec"]["backoffLimit"] == 7


async def test_what_the_resource_says_comes_before_what_its_profile_says() -> None:
    world = a_world(
        a_profile(steps=[PRUNE], run={"backoffLimit": 7, "activeDeadlineSeconds": 60}),
        steps=[FUSE],
        run={"backoffLimit": 1, "pendingDeadlineSeconds": 40},
    )
    await world.settle()

    assert steps_of(world.job) == ["fuse", "export"]
    assert world.job["spec"]["backoffLimit"] == 1
    assert world.job["spec"]["activeDeadlineSeconds"] == 100


async def test_a_profile_of_the_cluster_serves_every_namespace() -> None:
    world = a_world(a_profile(kind=CLUSTER, steps=[FUSE]), profileRef=refers_to(kind=CLUSTER))
    await world.settle()

    assert steps_of(world.job) == ["fuse", "export"]


async def test_a_namesake_in_another_namespace_is_another_profile() -> None:
    elsewhere = a_profile(steps=[FUSE])
    elsewhere["metadata"]["namespace"] = "others"
    world = a_world(elsewhere)
    await world.settle()

    assert world.told == (Phase.PENDING, "ProfileNotFound")


async def test_a_missing_profile_is_told_of_once_and_heals_when_it_comes() -> None:
    world = a_world()
    await world.settle()
    await world.pass_time(3600)

    assert world.told == (Phase.PENDING, "ProfileNotFound")
    assert world.condition(ConditionType.ACCEPTED).status == "False"
    assert world.events == ["ProfileNotFound"]
    assert world.written("patch", "status") == 1

    world.cluster.apply(a_profile(steps=[FUSE]))
    await world.settle()

    assert world.condition(ConditionType.ACCEPTED).status == "True"
    assert steps_of(world.job) == ["fuse", "export"]


async def test_an_edit_of_the_profile_changes_no_running_job() -> None:
    world = await a_running_world(a_profile(steps=[FUSE], run={"activeDeadlineSeconds": 600}))
    before = world.job, world.status
    world.cluster.apply(a_profile(steps=[PRUNE], run={"activeDeadlineSeconds": 60}))
    await world.settle()

    assert (world.job, world.status) == before

    await world.pass_time(120)

    assert world.status.phase is Phase.RUNNING


async def test_a_run_outlives_its_profile() -> None:
    world = await a_running_world(a_profile(steps=[FUSE]))
    world.cluster.remove("OptimizationProfile", "small")
    world.restart_operator()
    await world.settle()
    world.end(0, kubelet.success())
    await world.settle()

    assert world.status.phase is Phase.SUCCEEDED
    assert len(world.cluster.all("Job")) == 1


async def test_an_edit_of_the_profile_does_not_repeat_a_finished_run() -> None:
    world = await a_running_world(a_profile(steps=[FUSE]))
    world.end(0, kubelet.success())
    await world.settle()
    writes = len(world.cluster.writes)
    world.cluster.apply(a_profile(steps=[PRUNE]))
    await world.settle()

    assert world.cluster.writes[writes:] == []


async def test_status_says_which_profile_the_run_took_and_what_it_gave() -> None:
    world = await a_running_world(a_profile(steps=[FUSE], description="for phones"))

    taken = world.status.run.profile if world.status.run else None
    assert taken is not None
    assert (taken.kind, taken.name, taken.generation) == ("OptimizationProfile", "small", 1)
    assert json.loads(taken.spec) == {"steps": [FUSE]}


async def test_a_request_to_restart_takes_the_profile_as_it_is_then() -> None:
    world = await a_running_world(a_profile(steps=[FUSE]))
    world.cluster.apply(a_profile(steps=[PRUNE]))
    world.annotate(**{"lathe.dev/restartedAt": "now"})
    await world.settle()

    assert steps_of(world.job) == ["prune", "export"]
    taken = world.status.run.profile if world.status.run else None
    assert taken is not None
    assert taken.generation == 2


async def test_an_edit_that_asks_for_other_work_takes_the_profile_as_it_is_then() -> None:
    world = await a_running_world(a_profile(steps=[FUSE]))
    world.cluster.apply(a_profile(steps=[PRUNE]))
    world.edit(worker={"image": "lathe-worker:2"})
    await world.settle()

    assert steps_of(world.job) == ["prune", "export"]


@pytest.mark.parametrize(
    "policy", [{"suspend": True}, {"backoffLimit": 0}], ids=["suspended", "another limit"]
)
async def test_an_edit_of_policy_keeps_what_the_run_took(policy: Document) -> None:
    world = await a_running_world(a_profile(steps=[FUSE]))
    world.cluster.apply(a_profile(steps=[PRUNE]))
    world.edit(run=policy)
    await world.settle()

    assert [steps_of(job) for job in world.cluster.all("Job")] == [["fuse", "export"]]


async def test_a_queued_run_that_is_held_back_and_resumed_keeps_what_it_took() -> None:
    queue = {"scheduling": {"queueName": "team"}}
    world = a_world(a_profile(steps=[FUSE]), **queue)
    await world.pass_time(5)
    world.edit(run={"suspend": True})
    await world.settle()
    assert world.cluster.all("Job") == []
    world.cluster.apply(a_profile(steps=[PRUNE]))
    world.edit(run={"suspend": False})
    await world.settle()

    assert steps_of(world.job) == ["fuse", "export"]


async def test_an_edit_between_job_and_status_changes_nothing_for_the_next_operator() -> None:
    world = a_world(a_profile(steps=[FUSE]))
    await world.look()
    assert world.written("patch", "status") == 0
    world.cluster.apply(a_profile(steps=[PRUNE]))
    world.restart_operator()
    world.start_pod()
    await world.settle()

    assert [steps_of(job) for job in world.cluster.all("Job")] == [["fuse", "export"]]
    assert world.status.phase is Phase.RUNNING


async def test_a_fault_in_a_profile_names_it() -> None:
    world = a_world(a_profile(steps=[QUANTIZE, PRUNE]))
    await world.settle()

    assert world.told == (Phase.FAILED, "InvalidSpec")
    message = world.condition(ConditionType.ACCEPTED).message
    assert "spec.steps is taken from OptimizationProfile/small" in message

    world.cluster.apply(a_profile(steps=[PRUNE]))
    await world.settle()

    assert steps_of(world.job) == ["prune", "export"]


async def test_what_the_administrator_forbids_a_profile_cannot_allow() -> None:
    world = a_world(a_profile(worker={"labels": {"kueue.x-k8s.io/queue-name": "fast"}}))
    await world.settle()

    assert world.told == (Phase.FAILED, "InvalidSpec")
    message = world.condition(ConditionType.ACCEPTED).message
    assert "spec.worker is taken from OptimizationProfile/small" in message


async def test_a_profile_that_no_run_can_keep_is_refused_where_it_is_used() -> None:
    words = {f"example.com/{number}": "x" * 4096 for number in range(32)}
    world = a_world(a_profile(worker={"annotations": words}))
    await world.settle()

    assert world.told == (Phase.FAILED, "InvalidSpec")
    assert world.cluster.all("Job") == []


OLD = {"message": "int8 is better", "replacedBy": "smaller"}


async def test_a_deprecated_profile_works_and_says_so_once() -> None:
    world = await a_running_world(a_profile(steps=[FUSE], deprecated=OLD))

    accepted = world.condition(ConditionType.ACCEPTED)
    assert (accepted.status, accepted.reason) == ("True", "Valid")
    assert "int8 is better; use smaller" in accepted.message
    assert world.events.count("ProfileDeprecated") == 1

    world.end(0, kubelet.success())
    await world.settle()

    assert "deprecated" in world.condition(ConditionType.ACCEPTED).message
    assert world.events.count("ProfileDeprecated") == 1


async def test_a_deprecation_reaches_a_run_that_is_under_way() -> None:
    world = await a_running_world(a_profile(steps=[FUSE]))
    world.cluster.apply(a_profile(steps=[FUSE], deprecated=OLD))
    await world.settle()

    assert "deprecated" in world.condition(ConditionType.ACCEPTED).message
    assert world.events.count("ProfileDeprecated") == 1
    assert len(world.cluster.all("Job")) == 1


async def test_a_profile_costs_no_write_of_its_own() -> None:
    plain, profiled = World(), a_world(a_profile(steps=[FUSE]))
    for world in (plain, profiled):
        await world.settle()
        world.start_pod()
        await world.settle()
        world.end(0, kubelet.success())
        await world.settle()

    assert [write[:2] for write in profiled.cluster.writes] == [
        write[:2] for write in plain.cluster.writes
    ]
