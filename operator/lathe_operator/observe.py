"""Observing: all reads of a look, from what the watches have shown, into one frozen value."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from pydantic import ValidationError

from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.status import ModelOptimizationStatus
from lathe_api.validation import Invalid, parse
from lathe_operator.decide.profiles import Asked, Known, resolved
from lathe_operator.errors import Faulted
from lathe_operator.kueue import Workload
from lathe_operator.profiles import Profile, ProfilePlace
from lathe_operator.seen import unpacked
from lathe_operator.values import Job, Observed, Pod, Ref, Resource, Version


class View(Protocol):
    """What the watches have shown: a memory that is a moment behind the server, never ahead."""

    def resource(self, ref: Ref) -> Resource | None:
        """The resource of that name."""

    def profile(self, place: ProfilePlace) -> Profile | None:
        """The profile of that place."""

    def jobs(self, owner: str) -> tuple[Job, ...]:
        """Jobs that the resource of that uid controls."""

    def pods(self, job: str) -> tuple[Pod, ...]:
        """Pods that the Job of that uid controls."""

    def workload(self, job: str) -> Workload | None:
        """The Workload that Kueue made for the Job of that uid."""

    shows_workloads: bool
    """Whether Workloads are watched."""


def observe(ref: Ref, view: View, now: datetime) -> Observed | None:
    """Gather everything that there is to know about a resource; None where there is none.

    Raises:
        Faulted: When its status cannot be read. Nothing is decided then: what a decision does not
            know to be finished, it would do again.
    """
    resource = view.resource(ref)
    if resource is None:
        return None
    try:
        said = ModelOptimizationStatus.model_validate(unpacked(resource.status))
    except ValidationError as error:
        raise Faulted(f"the status of {ref} is of another version: {error}") from error
    jobs = tuple(sorted(view.jobs(resource.uid), key=lambda job: (job.created, job.name)))
    profile = view.profile(resource.profile) if resource.profile else None
    asked = (
        resolved(Known(resource, unpacked(resource.document), said, jobs, profile))
        if resource.profile
        else Asked(_parsed(resource.document))
    )
    queued = {job.uid: found for job in jobs if (found := view.workload(job.uid))}
    return Observed(
        now=now,
        resource=resource,
        document=asked.document,
        status=said,
        jobs=jobs,
        pods={
            job.uid: tuple(sorted(view.pods(job.uid), key=lambda pod: (pod.created, pod.name)))
            for job in jobs
        },
        workloads=queued if view.shows_workloads else None,
        taken=asked.taken,
    )


@lru_cache(maxsize=512)
def _parsed(document: bytes) -> ModelOptimization | Invalid:
    """What a packed resource says.

    The looks at a new resource follow one another, and half of their time would go into this. It
    takes 17 KiB to remember one.
    """
    return parse(unpacked(document))


class OwnWrites:
    """What we wrote and the watches have not shown yet: until then, a look would see the past.

    This is no state that anything is decided by. A new process begins without it, with a fresh
    list from the server.
    """

    def __init__(self, patience: timedelta = timedelta(seconds=30)) -> None:
        """Wait for a write at most so long: a watch that lost it must not stop the resource."""
        self._patience = patience
        self._writes: dict[Ref, list[tuple[Version, datetime]]] = {}

    def note(self, ref: Ref, now: datetime, written: Version) -> None:
        """Remember a write that belongs to a resource."""
        self._writes.setdefault(ref, []).append((written, now + self._patience))

    def awaited_until(self, ref: Ref, view: View, now: datetime) -> datetime | None:
        """When to stop waiting for what is still to come; None when the view is up to date."""
        open_ends = [
            (written, until)
            for written, until in self._writes.pop(ref, [])
            if until > now and not _is_shown(written, ref, view)
        ]
        if not open_ends:
            return None
        self._writes[ref] = open_ends
        return max(until for _, until in open_ends)


def _is_shown(written: Version, ref: Ref, view: View) -> bool:
    resource = view.resource(ref)
    if resource is None:
        return True
    jobs = {job.uid: job for job in view.jobs(resource.uid)}
    shown = resource if resource.uid == written.uid else jobs.get(written.uid)
    if written.version is None:
        return shown is None or shown.deleting
    return shown is not None and shown.version >= written.version
