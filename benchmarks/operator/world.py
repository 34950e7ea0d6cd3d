"""The cluster in which the arms are measured: a real control plane, and its audit log as clock."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.operator import arms, written
from benchmarks.operator.arms import Arm
from e2e.localcluster.audit import AuditEvent, Tail
from e2e.localcluster.controlplane import ControlPlane, Tuning
from e2e.localcluster.processes import wait_until
from tests.integration.conftest import serve
from tests.integration.operator.installed import SYSTEM

LOADER, KUBELET = "loader", "kubelet"
LIMITS = ("--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-job-syncs=20")
"""With the Job controller's own limits, every operator would be as fast as it is."""
POLL = 0.5
"""Seconds between looks into the audit log; the machine has something else to do."""
PROBE = "probe"
"""What the names of resources begin with that only ask whether an arm is there."""


@dataclass
class Namespace:
    """A namespace with one arm in it, and what was asked of the API server about it.

    Attributes:
        name: Its name.
        seen: Every request so far.
    """

    world: "World"
    name: str
    queued: bool
    seen: list[AuditEvent] = field(default_factory=list)
    _granted: dict[tuple[str, ...], list[AuditEvent]] = field(default_factory=dict)

    @property
    def templates(self) -> Path:
        """What is created in it, and what becomes of that."""
        return self.world.templates(queued=self.queued)

    def look(self) -> list[AuditEvent]:
        """What was asked up to now."""
        self.world.read()
        return self.seen

    def by(self, user: str, verb: str, resource: str, sub: str = "") -> list[AuditEvent]:
        """What a user has asked, and the server has granted, about all resources but probes."""
        self.look()
        return self._granted.get((user, verb, resource, sub), [])

    def take(self, event: AuditEvent) -> None:
        """Take note of a request."""
        self.seen.append(event)
        if event.code < 300 and not event.name.startswith(PROBE):  # noqa: PLR2004 - granted
            key = event.user, event.verb, event.resource, event.subresource
            self._granted.setdefault(key, []).append(event)

    def create(self, count: int, prefix: str = "r", *, rate: float = 0, done: bool = False) -> None:
        """Create resources: as fast as it goes, unless a rate is given."""
        options = ["-count", str(count), "-prefix", prefix, "-rate", str(rate)]
        config = self.world.config(LOADER)
        arms.create(config, self.name, self.templates, *options, *(["-finished"] if done else []))

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Wait until the audit log says so."""
        wait_until(holds, what, seconds=seconds, every=POLL)

    def until_jobs(self, arm: Arm, count: int, seconds: float = 60.0) -> None:
        """Wait until an arm has created so many Jobs."""
        self.until(lambda: len(self.jobs(arm)) >= count, f"{count} Jobs of {arm.name}", seconds)

    def jobs(self, arm: Arm) -> list[AuditEvent]:
        """The Jobs that an arm has created."""
        return self.by(arm.name, "create", "jobs")

    @contextmanager
    def arm(self, name: str) -> Iterator[Arm]:
        """An arm that has shown that it works."""
        with arms.running(name, self.world.config(name), self.name, self.templates) as arm:
            self.probe(arm)
            yield arm

    def probe(self, arm: Arm, seconds: float = 180.0) -> None:
        """Wait until an arm has made a Job for a resource that is there only for this."""
        prefix = f"{PROBE}-{uuid.uuid4().hex[:6]}"
        self.create(1, prefix)

        def answered() -> bool:
            return any(e.user == arm.name and e.name.startswith(prefix) for e in self.look())

        self.until(answered, f"a Job of {arm.name}", seconds)


class World:
    """A control plane of one's own, whose etcd waits for the disk."""

    def __init__(self, folder: Path, *, controllers: bool = False) -> None:
        self._folder = folder
        groups = {user: ["system:masters"] for user in (*arms.ARMS, LOADER, KUBELET)}
        tuning = Tuning(durable=True, bodies=False, controller_manager=LIMITS, scheduler=False)
        self._plane = ControlPlane(controllers=controllers, users=groups, tuning=tuning)
        self._namespaces: dict[str, Namespace] = {}

    def __enter__(self) -> Self:
        self._plane.__enter__()
        self._tail = Tail(self._plane.audit_log)
        serve(self._plane)
        self._plane.kubectl("create", "namespace", SYSTEM)
        return self

    def __exit__(self, *problem: object) -> None:
        self._plane.__exit__(*problem)

    def config(self, user: str) -> Path:
        """The kubeconfig of a user."""
        return self._plane.kubeconfig_for(user)

    def templates(self, *, queued: bool) -> Path:
        """The file of what is created, and what becomes of it."""
        path = self._folder / f"{'queued' if queued else 'plain'}.json"
        return path if path.exists() else written.templates(path, queued=queued)

    def namespace(self, *, queued: bool = False) -> Namespace:
        """A new namespace."""
        name = f"bench-{uuid.uuid4().hex[:8]}"
        self._plane.kubectl("create", "namespace", name)
        self._namespaces[name] = made = Namespace(self, name, queued)
        return made

    def read(self) -> None:
        """Read on in the audit log, and tell each namespace of what is about it."""
        for event in self._tail.fresh():
            if found := self._namespaces.get(event.namespace):
                found.take(event)
