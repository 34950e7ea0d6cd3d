"""The view: what the watches have shown, kept as the few fields that decisions need."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from lathe_api.v1alpha1.status import Phase
from lathe_operator.kueue import Workload
from lathe_operator.profiles import Profile, ProfilePlace
from lathe_operator.seen import (
    WAITING,
    Body,
    job_seen,
    pod_seen,
    profile_seen,
    resource_seen,
    workload_seen,
)
from lathe_operator.values import Job, Pod, Ref, Resource


class WatchedView:
    """What the watches have shown: see `observe.View`.

    kopf has indices for this, and they tell when every list is complete. For that, it keeps each
    object of the first lists until all are indexed, and wakes all of them for each of them: with
    4,000 resources, two minutes and 180 MiB. Here, `resync.caught_up` asks the server instead.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, *, shows_workloads: bool = False
    ) -> None:
        """Begin with nothing; `clock` tells seconds since 1970."""
        self._clock = clock
        self.shows_workloads = shows_workloads
        self._resources: dict[Ref, Resource] = {}
        self._profiles: dict[ProfilePlace, Profile] = {}
        self._jobs: dict[str, dict[str, Job]] = {}
        self._pods: dict[str, dict[str, Pod]] = {}
        self._workloads: dict[str, Workload] = {}

    def resource(self, ref: Ref) -> Resource | None:
        """See `View`."""
        return self._resources.get(ref)

    def profile(self, place: ProfilePlace) -> Profile | None:
        """See `View`."""
        return self._profiles.get(place)

    def jobs(self, owner: str) -> tuple[Job, ...]:
        """See `View`."""
        return tuple(self._jobs.get(owner, {}).values())

    def pods(self, job: str) -> tuple[Pod, ...]:
        """See `View`."""
        return tuple(self._pods.get(job, {}).values())

    def workload(self, job: str) -> Workload | None:
        """See `View`."""
        return self._workloads.get(job)

    def show_resource(self, body: Body, *, gone: bool) -> bool:
        """A resource is as its body says, or is gone; of namesakes, the newer one counts.

        Returns:
            Whether anything changed that a decision needs, as for Jobs and pods: most of what their
            controllers write, and a worker's progress, is nothing to look at again.
        """
        seen = resource_seen(body)
        known = self._resources.get(seen.ref)
        if gone and known and known.uid == seen.uid:
            del self._resources[seen.ref]
            return True
        if gone or (known and seen.uid != known.uid and seen.version < known.version):
            return False
        self._resources[seen.ref] = seen
        return known is None or replace(known, version=seen.version) != seen

    def show_profile(self, kind: str, body: Body, *, gone: bool) -> tuple[Ref, ...]:
        """A profile is as its body says, or is gone; given are the resources that this concerns.

        A run that has ended keeps what it took, whatever becomes of the profile.
        """
        seen = profile_seen(kind, body)
        known = self._profiles.get(seen.place)
        if gone and known and known.uid == seen.uid:
            del self._profiles[seen.place]
        elif not gone and (known is None or seen.uid == known.uid or seen.version >= known.version):
            self._profiles[seen.place] = seen
        return tuple(
            ref
            for ref, resource in self._resources.items()
            if resource.profile == seen.place and (resource.refused or not resource.finished)
        )

    def show_job(self, body: Body, *, gone: bool) -> bool:
        """A Job is as its body says, or is gone; tells whether that is news."""
        seen = job_seen(body)
        if seen is None:
            return False
        known = self._jobs.get(seen.owner, {}).get(seen.uid)
        _put(self._jobs, seen.owner, seen.uid, None if gone else seen)
        if gone:
            self._workloads.pop(seen.uid, None)
        return gone or known is None or replace(known, version=seen.version) != seen

    def show_pod(self, body: Body, *, gone: bool) -> bool:
        """A pod is as its body says, or is gone; tells whether that is news."""
        seen = pod_seen(body)
        if seen is None:
            return False
        known = self._pods.get(seen.job, {}).get(seen.uid)
        _put(self._pods, seen.job, seen.uid, None if gone else seen)
        return gone or known != seen

    def show_workload(self, body: Body, *, gone: bool) -> bool:
        """A Workload is as its body says, or is gone; of two for one Job, the last shown counts."""
        if (seen := workload_seen(body)) is None:
            return False
        known = self._workloads.get(seen.job)
        if not gone:
            self._workloads[seen.job] = seen
            return known != seen
        is_known = known is not None and known.uid == seen.uid
        if is_known:
            del self._workloads[seen.job]
        return is_known

    def uids(self) -> frozenset[str]:
        """The uids of everything that decisions rest on; Workloads only lend their words."""
        resources = (resource.uid for resource in self._resources.values())
        profiles = (profile.uid for profile in self._profiles.values())
        owned = (
            uid for group in (self._jobs, self._pods) for each in group.values() for uid in each
        )
        return frozenset((*resources, *profiles, *owned))

    def unfinished(self) -> tuple[Ref, ...]:
        """Every resource that has not ended."""
        return tuple(ref for ref, seen in self._resources.items() if not seen.finished)

    def phases(self) -> Mapping[tuple[str, str], int]:
        """How many resources of each namespace are in each phase."""
        return Counter((ref.namespace, seen.phase) for ref, seen in self._resources.items())

    def waits(self) -> Mapping[str, float]:
        """For how long, in seconds, the resource of a phase has waited that waits longest."""
        now = self._clock()
        since = dict.fromkeys(sorted(WAITING - {""}), now)
        for seen in self._resources.values():
            if seen.waits_since is not None:
                phase = seen.phase or Phase.PENDING
                since[phase] = min(since[phase], seen.waits_since)
        return {phase: now - began for phase, began in since.items()}


Seen = TypeVar("Seen", Job, Pod)


def _put(groups: dict[str, dict[str, Seen]], owner: str, uid: str, seen: Seen | None) -> None:
    """Keep an object with those of its owner; empty groups are not kept."""
    group = groups.setdefault(owner, {})
    if seen is None:
        group.pop(uid, None)
    else:
        group[uid] = seen
    if not group:
        del groups[owner]
