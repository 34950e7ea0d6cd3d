"""Whatever happens, in whatever order: what must always hold, and where it must always lead."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lathe_api.v1alpha1.resource import KIND
from lathe_api.v1alpha1.status import FINISHED, ModelOptimizationStatus
from lathe_operator.actions import PatchStatus
from lathe_operator.decide import conditions, decide
from lathe_operator.decide.names import QUEUE, RESTART
from lathe_operator.errors import Failure
from lathe_operator.observe import observe
from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet, kueue
from tests.builders import EXPORT, PRUNE, a_profile, refers_to
from tests.fake_cluster import Fault
from tests.world import World

Document = dict[str, Any]


class Life(RuleBasedStateMachine):
    """Users, controllers, faults and time do what they like; the operator looks now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.ends: dict[tuple[int, str], str] = {}
        self.taken: dict[tuple[int, str], str] = {}

    @initialize(queued=st.booleans(), watched=st.booleans(), profiled=st.booleans())
    def begin(self, *, queued: bool, watched: bool, profiled: bool) -> None:
        self.world.cluster.shows_workloads = watched
        if queued:
            self.world.edit(scheduling={"queueName": "team"})
        if profiled:
            self.world.edit(profileRef=refers_to())

    # users

    @rule(steps=st.sampled_from([None, [PRUNE], [EXPORT, PRUNE]]))
    def edit_the_work(self, steps: list[Document] | None) -> None:
        self.world.edit(steps=steps)

    @rule(suspend=st.booleans(), limit=st.integers(0, 2))
    def edit_the_policy(self, *, suspend: bool, limit: int) -> None:
        self.world.edit(run={"suspend": suspend, "backoffLimit": limit})

    @rule(word=st.sampled_from(["one", "two"]))
    def request_a_restart(self, word: str) -> None:
        self.world.annotate(**{RESTART: word})

    @precondition(lambda self: self.open_jobs)
    @rule()
    def delete_the_job(self) -> None:
        self.world.cluster.remove("Job", self.open_jobs[0]["metadata"]["name"])

    # who owns the profile

    @rule(steps=st.sampled_from([[PRUNE], [EXPORT], [EXPORT, PRUNE]]), old=st.booleans())
    def apply_the_profile(self, steps: list[Document], *, old: bool) -> None:
        deprecated: Document = {"deprecated": {"message": "it is old"}} if old else {}
        self.world.cluster.apply(a_profile(steps=steps, **deprecated))

    @precondition(lambda self: self.world.cluster.all("OptimizationProfile"))
    @rule()
    def delete_the_profile(self) -> None:
        self.world.cluster.remove("OptimizationProfile", "small")

    # controllers

    @property
    def open_jobs(self) -> list[Document]:
        ended = {"Complete", "Failed"}
        return [
            job
            for job in self.world.cluster.all("Job")
            if not ended & {c["type"] for c in (job.get("status") or {}).get("conditions", ())}
        ]

    @property
    def open_pods(self) -> list[Document]:
        jobs = {job["metadata"]["uid"] for job in self.open_jobs}
        return [
            pod
            for pod in self.world.cluster.all("Pod")
            if pod["status"]["phase"] in ("Pending", "Running")
            and pod["metadata"]["ownerReferences"][0]["uid"] in jobs
        ]

    @precondition(lambda self: self.open_jobs)
    @rule()
    def admit_the_job(self) -> None:
        job = self.open_jobs[0]
        self.world.cluster.put("Job", {**job, "spec": {**job["spec"], "suspend": False}})

    @property
    def queued_jobs(self) -> list[Document]:
        return [job for job in self.open_jobs if QUEUE in job["metadata"]["labels"]]

    @precondition(lambda self: self.queued_jobs)
    @rule(status=st.sampled_from([{}, kueue.no_quota(), kueue.evicted(), kueue.checked()]))
    def say_something_of_the_job(self, status: Document) -> None:
        kueue.says(self.world.cluster, self.queued_jobs[0], status)

    @precondition(lambda self: self.queued_jobs)
    @rule()
    def preempt_the_job(self) -> None:
        kueue.preempts(self.world.cluster, self.queued_jobs[0])

    @precondition(lambda self: self.open_jobs and not self.open_pods)
    @rule(status=st.sampled_from([kubelet.running(), kubelet.unschedulable()]))
    def start_a_pod(self, status: Document) -> None:
        count = len(self.world.cluster.all("Pod"))
        self.world.cluster.start_pod(self.open_jobs[0], str(count), status)

    @precondition(lambda self: self.open_pods)
    @rule(fails=st.booleans(), disrupted=st.booleans())
    def end_the_pod(self, *, fails: bool, disrupted: bool) -> None:
        job, name = self.open_jobs[0], self.open_pods[0]["metadata"]["name"]
        status = job.get("status") or {}
        failed = status.get("failed", 0) + 1
        if disrupted:
            self.world.pod_status(name, kubelet.disrupted())
        elif fails:
            self.world.pod_status(name, kubelet.ended(50, kubelet.failure()))
            ended = kubelet.failed("BackoffLimitExceeded", pods=failed)
            over = failed > job["spec"]["backoffLimit"]
            job_status = ended if over else {**status, "failed": failed}
            self.world.cluster.status("Job", job["metadata"]["name"], job_status)
        else:
            self.world.pod_status(name, kubelet.ended(0, kubelet.success()))
            done = {**status, **kubelet.complete()}
            self.world.cluster.status("Job", job["metadata"]["name"], done)

    # the world

    @rule(seconds=st.sampled_from([1, 3, 31, 4000]))
    def let_time_pass(self, seconds: int) -> None:
        self.world.cluster.now += seconds * kubelet.MINUTE / 60

    @rule(committed=st.booleans())
    def break_the_next_write(self, *, committed: bool) -> None:
        self.world.cluster.fault = Fault(len(self.world.cluster.writes) + 1, committed)

    @rule()
    def silence_the_watches(self) -> None:
        self.world.cluster.freeze()

    @rule()
    def let_the_watches_catch_up(self) -> None:
        self.world.cluster.thaw()

    @rule()
    def kill_the_operator(self) -> None:
        self.world.cluster.thaw()
        self.world.restart_operator()

    @rule()
    def look(self) -> None:
        held = {job["metadata"]["uid"]: job["spec"]["suspend"] for job in self.queued_jobs}
        try:
            asyncio.run(self.world.look())
        except Failure:
            return
        finally:
            self.check_that_the_queue_decides(held)

    def check_that_the_queue_decides(self, held: dict[str, bool]) -> None:
        for job in self.queued_jobs:
            suspend = job["spec"]["suspend"]
            assert suspend == held.get(job["metadata"]["uid"], True)

    # what must always hold

    @invariant()
    def at_most_one_job_works(self) -> None:
        assert len(self.open_jobs) <= 1

    @invariant()
    def the_phase_says_nothing_that_the_conditions_do_not(self) -> None:
        status = self.world.status
        if status.conditions:
            assert status.phase is conditions.phase_of(status.conditions)

    @invariant()
    def an_end_stays_the_end_of_what_it_ends(self) -> None:
        status = self.world.status
        if status.phase in FINISHED and status.run is not None:
            what = status.observed_generation, status.run.restart or ""
            assert self.ends.setdefault(what, str(status.phase)) == status.phase

    @invariant()
    def what_a_run_took_stays_with_it(self) -> None:
        status = self.world.status
        if status.run is not None and status.run.profile is not None:
            what = status.observed_generation, status.run.restart or ""
            spec = status.run.profile.spec
            assert self.taken.setdefault(what, spec) == spec

    @invariant()
    def status_never_speaks_of_the_future(self) -> None:
        generation = self.world.cluster.one(KIND)["metadata"]["generation"]
        assert self.world.status.observed_generation <= generation

    def teardown(self) -> None:
        """In the end it settles, and deciding again asks for nothing."""
        self.world.cluster.thaw()
        asyncio.run(self.world.pass_time(60))
        asyncio.run(self.world.settle())
        cluster = self.world.cluster
        seen = observe(self.world.ref, cluster, cluster.now)
        assert seen is not None
        assert not [
            a for a in decide(seen, self.world.policy).actions if isinstance(a, PatchStatus)
        ]
        super().teardown()


Life.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLife = pytest.mark.filterwarnings("default")(Life.TestCase)


def masked(status: ModelOptimizationStatus) -> Document:
    """A status without the times at which something was first seen."""
    document = status.model_dump(mode="json")
    for condition in document["conditions"]:
        del condition["lastTransitionTime"]
    return document


def attempts(world: World, count: int) -> list[Any]:
    """What the controllers do in a run that fails so often before it succeeds."""

    def start(number: int) -> None:
        world.cluster.now += kubelet.MINUTE
        world.start_pod(str(number))

    def fail(number: int) -> None:
        pod = world.cluster.all("Pod")[-1]["metadata"]["name"]
        told = kubelet.failure(ExitCode.TRANSIENT, Reason.STORAGE_UNAVAILABLE)
        world.pod_status(pod, kubelet.ended(40, told))
        world.job_status({"failed": number + 1})

    events: list[Any] = []
    for number in range(count):
        events += [lambda n=number: start(n), lambda n=number: fail(n)]
    return [*events, lambda: start(count), lambda: world.end(0, kubelet.success())]


@given(st.integers(0, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_however_often_it_is_looked_at_the_story_ends_the_same(
    failures: int, data: st.DataObject
) -> None:
    always, seldom = World(), World()
    for world in (always, seldom):
        asyncio.run(world.look())
    for event in attempts(always, failures):
        event()
        asyncio.run(always.settle())
    for event in attempts(seldom, failures):
        event()
        if data.draw(st.booleans()):
            asyncio.run(seldom.look())

    asyncio.run(seldom.settle())

    assert masked(seldom.status) == masked(always.status)


def stored(world: World) -> list[tuple[str, str, str]]:
    """Every write that the server kept; a pod that is only tried is a question."""
    return [write for write in world.cluster.writes if write[0] != "try"]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_deciding_twice_is_deciding_once(data: st.DataObject) -> None:
    world = World()
    asyncio.run(world.settle())
    for event in attempts(world, 1):
        if data.draw(st.booleans()):
            event()
            asyncio.run(world.settle())
            before = stored(world)
            world.restart_operator()
            asyncio.run(world.settle())
            assert stored(world) == before
        else:
            return
