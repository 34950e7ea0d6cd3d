"""The view is what the watches have shown last, in whatever order they show it."""

from typing import Any

import pytest

from lathe_operator.profiles import ProfilePlace
from lathe_operator.values import Ref
from lathe_operator.view import WatchedView
from tests import kubelet, kueue
from tests.builders import FUSE, PRUNE, a_profile, a_resource, refers_to
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


def test_what_only_others_need_is_no_news() -> None:
    view = WatchedView()
    first, told = resource("one", 1, "Running"), resource("one", 2, "Running")
    told["status"]["progress"] = {"percent": 42}

    assert view.show_resource(first, gone=False)
    assert not view.show_resource(told, gone=False)

    seen = view.resource(DIGITS)
    assert seen is not None
    assert seen.version == 2
    assert view.show_resource(resource("one", 3, "Succeeded"), gone=False)
    assert view.show_resource(resource("one", 4, "Succeeded"), gone=True)


async def test_a_job_or_pod_is_news_when_a_decision_may_depend_on_it() -> None:
    view, world = WatchedView(), await a_running_world()
    job, pod = world.job, world.cluster.one("Pod")
    counted = {**job, "metadata": {**job["metadata"], "resourceVersion": "999"}}
    counted["status"] = {"active": 1, "ready": 1}

    assert view.show_job(job, gone=False)
    assert not view.show_job(counted, gone=False)
    assert view.show_job({**counted, "status": kubelet.complete()}, gone=False)
    assert view.show_job(job, gone=True)
    assert view.show_pod(pod, gone=False)
    assert not view.show_pod(pod, gone=False)
    assert view.show_pod({**pod, "status": kubelet.ended(0, kubelet.success())}, gone=False)
    assert view.show_pod(pod, gone=True)


PLACE = ProfilePlace("OptimizationProfile", "small", "team")


def profile(uid: str, version: int, step: Document = FUSE) -> Document:
    cluster = FakeCluster(BEGIN)
    cluster.apply(a_profile(steps=[step]))
    found = cluster.one("OptimizationProfile")
    found["metadata"].update(uid=uid, resourceVersion=str(version))
    return found


@pytest.mark.parametrize("shown", SEQUENCES.values(), ids=SEQUENCES)
def test_of_two_profiles_of_a_name_the_newer_one_stays(shown: list[tuple[str, int, bool]]) -> None:
    view = WatchedView()

    for uid, version, gone in shown:
        view.show_profile(PLACE.kind, profile(uid, version), gone=gone)

    seen = view.profile(PLACE)
    assert seen is not None
    assert seen.uid == "new"
    assert view.uids() == {"new"}


def test_a_profile_that_is_gone_is_not_there() -> None:
    view = WatchedView()

    view.show_profile(PLACE.kind, profile("one", 1), gone=False)
    view.show_profile(PLACE.kind, profile("one", 2), gone=True)

    assert view.profile(PLACE) is None


REFUSED = [{"type": "Accepted", "status": "False"}]
CONCERNED: dict[str, tuple[bool, Document]] = {
    "new": (True, {}),
    "running": (True, {"phase": "Running", "observedGeneration": 1}),
    "refused": (True, {"phase": "Failed", "observedGeneration": 1, "conditions": REFUSED}),
    "finished": (False, {"phase": "Succeeded", "observedGeneration": 1}),
    "edited since it finished": (True, {"phase": "Succeeded", "observedGeneration": 0}),
}


@pytest.mark.parametrize(("concerned", "status"), CONCERNED.values(), ids=CONCERNED)
def test_a_profile_concerns_those_that_use_it_and_have_not_ended(
    concerned: bool,  # noqa: FBT001 - a column of the table
    status: Document,
) -> None:
    view = WatchedView()
    cluster = FakeCluster(BEGIN)
    for name, fields in {"digits": {"profileRef": refers_to()}, "other": {}}.items():
        cluster.apply(a_resource().named(name).with_(**fields).document())
    for body in cluster.all("ModelOptimization"):
        view.show_resource({**body, "status": status}, gone=False)

    told = view.show_profile(PLACE.kind, profile("one", 1, PRUNE), gone=False)

    assert told == ((DIGITS,) if concerned else ())
