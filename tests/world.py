"""A small world for the operator's stories: a cluster in memory, a clock, somebody who looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lathe_api.v1alpha1.resource import KIND
from lathe_api.v1alpha1.status import Condition, ConditionType, ModelOptimizationStatus
from lathe_operator.errors import Failure
from lathe_operator.facts import Fact
from lathe_operator.reconcile import Reconciler
from lathe_operator.values import Policy, Ref
from tests import kubelet
from tests.builders import ResourceBuilder, a_resource
from tests.fake_cluster import FakeCluster

Document = dict[str, Any]

POLICY = Policy(worker_image="lathe-worker:1")
BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
UNSETTLED = 12
"""Looks after which something writes for ever."""


def _states(status: Document) -> list[Document]:
    """The states of a pod's containers."""
    return [container["state"] for container in status.get("containerStatuses", ())]


class World:
    """One resource, the cluster that it is in, and the operator that looks at it."""

    def __init__(self, resource: ResourceBuilder | None = None, policy: Policy = POLICY) -> None:
        self.cluster = FakeCluster(BEGIN)
        self.policy = policy
        self.facts: list[Fact] = []
        self.again: timedelta | None = None
        self.dies_at_faults = False
        self.restart_operator()
        self.resource = resource or a_resource()
        self.ref = self.cluster.apply(self.resource.document())

    def restart_operator(self) -> None:
        """Another process takes over; it remembers nothing."""
        self._reconciler = Reconciler(
            self.cluster,
            self.cluster,
            self.policy,
            clock=lambda: self.cluster.now,
            on_fact=self.facts.append,
        )

    async def look(self) -> timedelta | None:
        """Look once."""
        self.again = await self._reconciler.look(self.ref)
        return self.again

    async def settle(self) -> None:
        """Look until a look changes nothing; a failed look is followed by another."""
        for _ in range(UNSETTLED):
            before = self.cluster.version
            try:
                await self.look()
            except Failure:
                if self.dies_at_faults:
                    self.restart_operator()
                continue
            if self.cluster.version == before:
                return
        raise AssertionError(f"it never settles: {self.cluster.writes[-10:]}")

    async def pass_time(self, seconds: float) -> None:
        """Let time go by, and settle."""
        self.cluster.now += timedelta(seconds=seconds)
        await self.settle()

    def edit(self, **fields: Any) -> None:
        """Change fields of the spec."""
        self.resource = self.resource.with_(**fields)
        self.cluster.apply(self.resource.document())

    def annotate(self, **annotations: str) -> None:
        """Put annotations on the resource, as `kubectl annotate` does."""
        found = self.cluster.objects[KIND, self.ref]
        self.cluster.put(
            KIND, {**found, "metadata": {**found["metadata"], "annotations": annotations}}
        )

    # what the controllers do

    @property
    def job(self) -> Document:
        """The newest Job."""
        return self.cluster.all("Job")[-1]

    def job_status(self, status: Document) -> None:
        """Write fields of the newest Job's status."""
        known = self.job.get("status") or {}
        self.cluster.status("Job", self.job["metadata"]["name"], {**known, **status})

    def start_pod(self, suffix: str = "a", status: Document | None = None) -> str:
        """Start the newest Job's next pod."""
        return self.cluster.start_pod(self.job, suffix, status)

    def pod_status(self, pod: str, status: Document) -> None:
        """Write a pod's status; when the worker started does not change any more."""
        before = self.cluster.objects["Pod", Ref("team", pod)]["status"]
        for old, new in zip(_states(before), _states(status), strict=False):
            if "running" in old and "terminated" in new:
                new["terminated"] = {**new["terminated"], **old["running"]}
        self.cluster.status("Pod", pod, status)

    def end(self, exit_code: int, message: str, pod: str | None = None) -> None:
        """End the run: the pod, and then its Job."""
        time = self.cluster.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        name = pod or self.cluster.all("Pod")[-1]["metadata"]["name"]
        self.pod_status(name, kubelet.ended(exit_code, message, finished=time))
        self.job_status(kubelet.failed(time=time) if exit_code else kubelet.complete(time))

    # what users see

    @property
    def status(self) -> ModelOptimizationStatus:
        """The resource's status."""
        told = self.cluster.objects[KIND, self.ref].get("status") or {}
        return ModelOptimizationStatus.model_validate(told)

    def condition(self, kind: ConditionType) -> Condition:
        """One condition."""
        (found,) = [each for each in self.status.conditions if each.type == kind]
        return found

    @property
    def told(self) -> tuple[str, str]:
        """Phase and reason: where the resource is, and why."""
        status = self.status
        return str(status.phase), self.condition(ConditionType.READY).reason

    @property
    def events(self) -> list[str]:
        """Reasons of all Events, oldest first."""
        return [event["reason"] for event in self.cluster.all("Event")]

    def written(self, verb: str, kind: str) -> int:
        """How many writes of that kind were asked for."""
        return sum(1 for write in self.cluster.writes if write[:2] == (verb, kind))


async def a_running_world(resource: ResourceBuilder | None = None) -> World:
    """A world whose worker runs, and whose status says so."""
    world = World(resource)
    await world.settle()
    world.start_pod()
    await world.settle()
    return world


async def a_finished_world() -> World:
    world = await a_running_world()
    world.end(0, kubelet.success())
    await world.settle()
    return world
