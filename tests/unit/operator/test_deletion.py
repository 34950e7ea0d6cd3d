"""Stories of resources whose results go with them, and of the finalizer that sees to it."""

import json
from typing import Any

import pytest

from lathe_api.clean_up import CleanUp
from lathe_api.plan import ANNOTATION
from lathe_api.v1alpha1.resource import KIND
from lathe_operator.decide.names import FINALIZER, RESTART
from tests import kubelet
from tests.builders import EXPORT, PRUNE, a_resource
from tests.fake_cluster import Document
from tests.world import World, a_running_world

KEY = "5f3a9c1e" * 8
OURS: Document = {"uri": "s3://artifacts/digits/", "deletionPolicy": "Delete"}
KEPT: Document = {"uri": "s3://artifacts/digits/"}


def finalizers(world: World) -> list[str]:
    """What keeps the resource when it is deleted."""
    found: list[str] = world.cluster.objects[KIND, world.ref]["metadata"].get("finalizers", [])
    return found


def is_gone(world: World) -> bool:
    return (KIND, world.ref) not in world.cluster.objects


async def delete(world: World) -> None:
    """Delete the resource, as kubectl does."""
    uid = world.cluster.objects[KIND, world.ref]["metadata"]["uid"]
    await world.cluster.delete_resource(world.ref, uid)
    await world.settle()


def cleaner(world: World) -> Document:
    """The Job that removes results."""
    (found,) = [job for job in world.cluster.all("Job") if "lathe.dev/work" not in labels(job)]
    return found


def labels(job: Document) -> dict[str, str]:
    found: dict[str, str] = job["metadata"]["labels"]
    return found


def container(job: Document) -> Document:
    (found,) = job["spec"]["template"]["spec"]["containers"]
    return dict(found)


async def a_published_world(**fields: Any) -> World:
    world = await a_running_world(a_resource().with_(output=OURS, **fields))
    world.end(0, kubelet.success())
    await world.settle()
    return world


async def test_without_being_asked_for_there_is_no_finalizer() -> None:
    world = World()
    await world.settle()

    assert finalizers(world) == []


async def test_the_finalizer_is_there_before_the_first_job_and_beside_others() -> None:
    world = World(a_resource().with_(output=OURS))
    world.cluster.objects[KIND, world.ref]["metadata"]["finalizers"] = ["somebody.else/waits"]

    await world.settle()

    assert finalizers(world) == ["somebody.else/waits", FINALIZER]
    assert [kind for _, kind, _ in world.cluster.writes][:2] == [KIND, "Job"]


async def test_who_takes_it_back_is_rid_of_the_finalizer_and_nothing_runs_again() -> None:
    world = await a_published_world()

    world.edit(output=KEPT)
    await world.settle()

    assert (finalizers(world), world.told) == ([], ("Succeeded", "Succeeded"))
    assert world.written("create", "Job") == 1


async def test_results_are_removed_by_a_small_job_with_the_runs_credentials() -> None:
    secret = {"s3": {"credentials": {"secretRef": {"name": "s3-creds"}}}}
    world = await a_published_world(storage=secret, scheduling={"queueName": "team"})

    await delete(world)

    job = cleaner(world)
    pod = job["spec"]["template"]
    asked = CleanUp.model_validate_json(pod["metadata"]["annotations"][ANNOTATION])
    assert (asked.output, asked.keys) == ("s3://artifacts/digits/", (KEY,))
    assert container(job)["command"] == ["python", "-m", "lathe_worker.clean_up"]
    assert container(job)["envFrom"][0]["secretRef"]["name"] == "s3-creds"
    assert "nvidia.com/gpu" not in json.dumps(container(job)["resources"])
    assert job["spec"]["suspend"] is False
    assert not is_gone(world)


async def test_the_resource_goes_once_its_results_are_gone() -> None:
    world = await a_published_world()
    await delete(world)

    world.job_status(kubelet.complete())
    await world.settle()

    assert is_gone(world)
    assert world.events[-1] == "CleanedUp"


async def test_the_resource_goes_although_its_results_could_not_be_removed() -> None:
    world = await a_published_world()
    await delete(world)
    name = world.cluster.start_pod(cleaner(world), "z")

    told = kubelet.failure(message="s3://artifacts/digits/ may not be written to")
    world.pod_status(name, kubelet.ended(30, told))
    world.job_status(kubelet.failed())
    await world.settle()

    note = world.cluster.all("Event")[-1]["note"]
    assert (is_gone(world), world.events[-1]) == (True, "CleanUpFailed")
    assert "may not be written to" in note
    assert KEY[:16] in note


async def test_the_resource_goes_when_the_time_for_it_is_over() -> None:
    world = await a_published_world()
    await delete(world)
    assert world.again is not None

    await world.pass_time(world.again.total_seconds())

    assert (is_gone(world), world.events[-1]) == (True, "CleanUpFailed")


async def test_a_job_that_the_server_refuses_is_asked_for_again_until_the_time_is_over() -> None:
    world = await a_published_world()
    world.cluster.refuse["Job"] = "exceeded quota"
    await delete(world)
    assert not is_gone(world)

    for _ in range(20):
        await world.pass_time(30)

    assert (is_gone(world), world.events[-1]) == (True, "CleanUpFailed")


async def test_a_namespace_that_goes_too_is_not_held_up() -> None:
    world = await a_published_world()
    world.cluster.refuse["Job"] = "because it is being terminated"
    world.cluster.terminating = True

    await delete(world)

    assert is_gone(world)


async def test_what_has_published_nothing_goes_at_once() -> None:
    world = World(a_resource().with_(output=OURS))
    await world.settle()

    await delete(world)

    assert (is_gone(world), world.written("create", "Job")) == (True, 1)


async def test_a_resource_that_cannot_be_read_any_more_is_let_go_with_a_word() -> None:
    world = await a_published_world()
    found = world.cluster.objects[KIND, world.ref]
    world.cluster.put(KIND, {**found, "spec": {**found["spec"], "steps": [{"unknown": {}}]}})

    await delete(world)

    assert (is_gone(world), world.events[-1]) == (True, "CleanUpFailed")


async def test_a_worker_that_might_publish_is_ended_first() -> None:
    world = await a_published_world()
    world.annotate(**{RESTART: "again"})
    await world.settle()
    world.start_pod("b")

    await delete(world)

    working = [job for job in world.cluster.all("Job") if not is_ended(job)]
    assert working == [cleaner(world)]


async def test_a_run_whose_end_nobody_has_told_yet_is_removed_too() -> None:
    world = await a_running_world(a_resource().with_(output=OURS))
    world.end(0, kubelet.success())

    await delete(world)

    annotations = cleaner(world)["spec"]["template"]["metadata"]["annotations"]
    assert CleanUp.model_validate_json(annotations[ANNOTATION]).keys == (KEY,)


def is_ended(job: Document) -> bool:
    kinds = {each["type"] for each in job.get("status", {}).get("conditions", ())}
    return bool(kinds & {"Complete", "Failed"})


async def test_the_runs_of_the_history_are_removed_too() -> None:
    world = await a_published_world()
    world.edit(steps=[PRUNE])
    await world.settle()
    world.start_pod("b")
    other = "0a" * 32
    world.end(0, kubelet.success(run_key=other))
    await world.settle()

    await delete(world)

    annotations = cleaner(world)["spec"]["template"]["metadata"]["annotations"]
    assert CleanUp.model_validate_json(annotations[ANNOTATION]).keys == (other, KEY)


@pytest.mark.parametrize("image", ["registry.example/trainer:1", None], ids=["named", "default"])
async def test_the_clean_up_runs_in_the_workers_image(image: str | None) -> None:
    world = await a_published_world(worker={"image": image} if image else {})

    await delete(world)

    assert container(cleaner(world))["image"] == (image or "lathe-worker:1")


async def test_an_invalid_resource_keeps_its_finalizer_until_it_is_deleted() -> None:
    world = await a_published_world()
    world.edit(steps=[EXPORT, PRUNE])
    await world.settle()

    assert finalizers(world) == [FINALIZER]
