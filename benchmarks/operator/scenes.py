"""The scenes: each is one arm's turn in a namespace of its own, and gives its figures."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.operator import arms
from benchmarks.operator.arms import Arm
from benchmarks.operator.world import KUBELET, LOADER, PROBE, Namespace, World
from e2e.localcluster.audit import AuditEvent

Figures = dict[str, Any]

SETTLE = 3.0
"""Seconds after which an arm has told what it tells of a Job that waits."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that is measured.

    Attributes:
        name: As it stands in the results.
        play: Gives the figures of one arm's turn.
        size: How many resources, or seconds, it is about.
        rounds: How often each arm has its turn.
        controllers: Whether Kubernetes' controllers run.
    """

    name: str
    play: Callable[[World, str, int], Figures]
    size: int
    rounds: int
    controllers: bool = False


def waits(namespace: Namespace, arm: Arm) -> list[float]:
    """Milliseconds from the POST of each resource to the POST of its Job, both as received."""
    created = namespace.by(LOADER, "create", "modeloptimizations")
    asked = {event.name: event.received for event in created}
    jobs = {event.name.rpartition("-")[0]: event.received for event in namespace.jobs(arm)}
    return [(jobs[name] - asked[name]).total_seconds() * 1000 for name in jobs]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def idle(world: World, name: str, size: int) -> Figures:
    """A resource now and then, to an operator that has nothing else to do."""
    namespace = world.namespace()
    with namespace.arm(name) as arm:
        base = arm.memory
        namespace.create(size, rate=4)
        namespace.until_jobs(arm, size)
        found = waits(namespace, arm)
        return {
            "n": len(found),
            "p50_ms": statistics.median(found),
            "p99_ms": percentile(found, 0.99),
            "base_pss_kib": base.pss,
            "base_rss_kib": base.rss,
        }


def burst(world: World, name: str, size: int) -> Figures:
    """Many resources at once, whose Jobs wait in a queue: the Jobs, and a status each."""
    namespace = world.namespace(queued=True)
    with namespace.arm(name) as arm:
        base, before = arm.memory, arm.cpu
        namespace.create(size)
        namespace.until_jobs(arm, size, seconds=60 + size / 20)
        namespace.until(lambda: _told(namespace, arm) >= size, "every status", 60 + size / 20)
        after = arm.memory
        return {
            "n": size,
            "jobs_per_s": _rate(namespace, namespace.jobs(arm)),
            "p99_ms": percentile(waits(namespace, arm), 0.99),
            "cpu_ms_per_resource": (arm.cpu - before) * 1000 / size,
            **_memory(base, after, size),
            "writes": _writes(namespace, arm),
        }


def life(world: World, name: str, size: int) -> Figures:
    """Many resources at once, which run and succeed: the whole life, with the Job controller."""
    namespace = world.namespace()
    players = arms.kubelet(world.config(KUBELET), namespace.name, namespace.templates)
    with players, namespace.arm(name) as arm:
        base, before = arm.memory, arm.cpu
        namespace.create(size)
        namespace.until(lambda: len(_ends(namespace, arm)) >= size, "every end", 120 + size / 10)
        after = arm.memory
        return {
            "n": size,
            "jobs_per_s": _rate(namespace, namespace.jobs(arm)),
            "ends_per_s": _rate(namespace, _ends(namespace, arm)),
            "cpu_ms_per_resource": (arm.cpu - before) * 1000 / size,
            **_memory(base, after, size),
            "writes": _writes(namespace, arm),
            "reads": _reads(namespace, arm),
        }


def finished(world: World, name: str, size: int) -> Figures:
    """An operator that begins where everything has ended, and then has nothing to do."""
    namespace = world.namespace()
    namespace.create(size, done=True)
    began = time.monotonic()
    with namespace.arm(name) as arm:
        ready, start = time.monotonic() - began, arm.cpu
        time.sleep(SETTLE)
        before, asked, then = arm.cpu, len(namespace.look()), time.monotonic()
        time.sleep(60)
        share = (arm.cpu - before) / (time.monotonic() - then)
        idle_requests = [e for e in namespace.look()[asked:] if e.user == name]
        memory = arm.memory
        return {
            "n": size,
            "first_job_s": ready,
            "start_cpu_s": start,
            "cpu_share": share,
            "idle_requests": dict(Counter(e.verb for e in idle_requests)),
            "pss_kib": memory.pss,
            "rss_kib": memory.rss,
            "peak_kib": memory.peak,
            "writes": _writes(namespace, arm),
        }


def _told(namespace: Namespace, arm: Arm) -> int:
    """How many resources have a status."""
    made = namespace.by(arm.name, "patch", "modeloptimizations", "status")
    return len({event.name for event in made})


def _ends(namespace: Namespace, arm: Arm) -> list[AuditEvent]:
    """The patches that told an end: each follows the second Event of its resource."""
    events: dict[str, list[datetime]] = {}
    for event in namespace.by(arm.name, "create", "events"):
        events.setdefault(event.name.rpartition(".")[0], []).append(event.received)
    made = namespace.by(arm.name, "patch", "modeloptimizations", "status")
    last = {event.name: event for event in made}
    return [
        last[name]
        for name, times in events.items()
        if len(times) > 1 and name in last and last[name].received > max(times)
    ]


def _rate(namespace: Namespace, events: Sequence[AuditEvent]) -> float:
    """So many a second, from the first resource that was created to the last of these."""
    asked = namespace.by(LOADER, "create", "modeloptimizations")
    first = min(event.received for event in asked)
    return len(events) / (max(event.received for event in events) - first).total_seconds()


def _memory(base: arms.Memory, after: arms.Memory, size: int) -> Figures:
    return {
        "base_pss_kib": base.pss,
        "pss_kib": after.pss,
        "rss_kib": after.rss,
        "peak_kib": after.peak,
        "kib_per_resource": (after.pss - base.pss) / size,
    }


def _writes(namespace: Namespace, arm: Arm) -> Figures:
    """How often an arm has written what, refused or not, probes left out."""
    found = Counter(
        "/".join(filter(None, (event.verb, event.resource, event.subresource)))
        + ("" if event.code < 300 else f" {event.code}")  # noqa: PLR2004 - granted
        for event in namespace.look()
        if event.user == arm.name and event.is_write and not event.name.startswith(PROBE)
    )
    return dict(sorted(found.items()))


def _reads(namespace: Namespace, arm: Arm) -> Figures:
    asked = [e for e in namespace.look() if e.user == arm.name and not e.is_write]
    return dict(Counter(event.verb for event in asked))
