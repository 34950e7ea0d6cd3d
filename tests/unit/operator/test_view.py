"""The view is what the watches have shown last, in whatever order they show it."""

from typing import Any

import pytest

from lathe_operator.values import Ref
from lathe_operator.view import WatchedView
from tests import kubelet, kueue
from tests.builders import a_resource
from tests.fake_cluster import FakeCluster
from tests.world import BEGIN, World, a_running_world

Document = dict[str, Any]
DIGITS = Ref("team", "digits")


def resource(uid: str, version: int, phase: str = "") -> Document:
    cluster = FakeCluster(BEGIN)
    cluster.apply(a_resource().document())
    found = cluster.one("ModelOptimization")
    found["metadata"].update(uid=uid, resourceVersion=str(version))
    return {**found, "status": {"phase": phase, "observedGeneration": 1}}


def test_a_resource_is_as_it_was_shown_last() -> None:
    view = WatchedView()

    view.show_resource(resource("one", 1), gone=False)
    view.show_resource(resource("one", 2, "Running"), gone=False)

    seen = view.resource(DIGITS)
    assert seen is not None
    assert (seen.version, seen.phase) == (2, "Running")
    assert view.resource(Ref("other", "digits")) is None


def test_what_is_gone_is_not_there() -> None:
    view = WatchedView()

    view.show_resource(resource("one", 1), gone=False)
    view.show_resource(resource("one", 2), gone=True)

    assert view.resource(DIGITS) is None
    assert view.uids() == frozenset()


SEQUENCES = {
    "the old one goes first": [("old", 1, False), ("old", 2, True), ("new", 3, False)],
    "the new one comes first": [("old", 1, False), ("new", 3, False), ("old", 2, True)],
    "the old one is shown once more": [("new", 3, False), ("old", 1, False), ("old", 2, True)],
}


@pytest.mark.parametrize("shown", SEQUENCES.values(), ids=SEQUENCES)
def test_of_two_namesakes_the_newer_one_stays(shown: list[tuple[str, int, bool]]) -> None:
    view = WatchedView()

    for uid, version, gone in shown:
        view.show_resource(resource(uid, version), gone=gone)

    seen = view.resource(DIGITS)
    assert seen is not None
    assert seen.uid == "new"


async def shown(world: World) -> WatchedView:
    view = WatchedView()
    view.show_resource(world.cluster.one("ModelOptimization"), gone=False)
    for job in world.cluster.all("Job"):
        view.show_job(job, gone=False)
    for pod in world.cluster.all("Pod"):
        view.show_pod(pod, gone=False)
    return view


async def test_jobs_and_pods_are_found_by_whom_they_work_for() -> None:
    world = await a_running_world()
    view = await shown(world)
    owner = world.cluster.one("ModelOptimization")["metadata"]["uid"]

    (job,) = view.jobs(owner)
    (pod,) = view.pods(job.uid)

    assert pod.name == world.cluster.one("Pod")["metadata"]["name"]
    assert view.uids() == {owner, job.uid, pod.uid}
    assert (view.jobs("another"), view.pods("another")) == ((), ())


async def test_jobs_and_pods_that_are_gone_leave_nothing_behind() -> None:
    world = await a_running_world()
    view = await shown(world)
    job, pod = world.cluster.one("Job"), world.cluster.one("Pod")

    view.show_pod(pod, gone=True)
    view.show_job(job, gone=True)
    view.show_job(job, gone=True)

    assert view.uids() == {world.cluster.one("ModelOptimization")["metadata"]["uid"]}
    assert (view._jobs, view._pods) == ({}, {})


async def test_what_belongs_to_nobody_is_not_shown() -> None:
    world = await a_running_world()
    view = WatchedView()
    pod = {**world.cluster.one("Pod"), "metadata": {"name": "p", "namespace": "team"}}

    view.show_pod({**pod, "status": kubelet.running()}, gone=False)

    assert view.uids() == frozenset()


async def test_a_workload_is_found_by_its_job_until_either_is_gone() -> None:
    world = await a_running_world()
    view = await shown(world)
    job = world.cluster.one("Job")
    uid = job["metadata"]["uid"]
    first = world.cluster.put("Workload", kueue.workload(job, kueue.no_quota()))

    view.show_workload(first, gone=False)
    assert (found := view.workload(uid)) is not None
    assert found.unreserved is not None
    view.show_workload({**first, "metadata": {**first["metadata"], "uid": "old"}}, gone=True)
    assert view.workload(uid) is not None
    view.show_workload(first, gone=True)
    assert view.workload(uid) is None

    view.show_workload(first, gone=False)
    view.show_job(job, gone=True)
    assert view.workload(uid) is None


async def test_what_has_ended_is_not_open() -> None:
    view = WatchedView()

    view.show_resource(resource("one", 1, "Running"), gone=False)
    assert view.unfinished() == (DIGITS,)
    view.show_resource(resource("one", 2, "Succeeded"), gone=False)

    assert view.unfinished() == ()
    assert view.phases() == {("team", "Succeeded"): 1}
