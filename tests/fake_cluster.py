"""A cluster in memory: it keeps what it is told as a server would, and fails where a test says."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from lathe_api.v1alpha1.kinds import CLUSTER_PROFILE, PROFILE
from lathe_api.v1alpha1.resource import KIND
from lathe_operator.decide.names import STAGE
from lathe_operator.errors import Faulted, Gone, Rejected, Waiting
from lathe_operator.kueue import Workload
from lathe_operator.lease import Lease
from lathe_operator.profiles import Profile, ProfilePlace
from lathe_operator.seen import job_seen, pod_seen, profile_seen, resource_seen, workload_seen
from lathe_operator.values import MANAGED, Job, Manifest, Pod, Ref, Resource, Version
from tests import kubelet

Document = dict[str, Any]
Key = tuple[str, Ref]
Done = TypeVar("Done")

SOON = timedelta(seconds=2)
WATCHED = (KIND, "Job", "Pod")


def merged(target: object, patch: object) -> object:
    """RFC 7386, as the API server applies it."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    kept = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = merged(kept.get(name), value)
    return kept


@dataclass
class Fault:
    """The request that fails, counted from 1, before or after the server has done it."""

    at: int
    committed: bool


class FakeCluster:
    """A server and its watches: `Cluster`, and a `View` that is up to date unless it is `frozen`.

    Attributes:
        now: Its clock.
        objects: Everything that it keeps, by kind and place.
        writes: Every write that was asked for: verb, kind and name, in order.
        made: Every object that was created, by kind and name, in order.
        terminating: Whether it refuses because the namespace is being deleted.
        refuse: Words with which it refuses to create an object of a kind, or the Job of a stage.
        fault: The write that fails.
        version: Grows with everything that changes.
        shows_workloads: Whether Kueue's Workloads are watched.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.objects: dict[Key, Document] = {}
        self.writes: list[tuple[str, str, str]] = []
        self.made: list[tuple[str, str]] = []
        self.refuse: dict[str, str] = {}
        self.terminating = False
        self.fault: Fault | None = None
        self._stale: dict[str, dict[Key, Document]] = {}
        self.version = 100
        self.shows_workloads = False
        self._uids = 0

    # what tests do

    def put(self, kind: str, document: Document) -> Document:
        """Keep an object as if somebody else had written it."""
        metadata = document["metadata"]
        metadata.setdefault("namespace", "team")
        metadata.setdefault("creationTimestamp", self._time())
        if "uid" not in metadata:
            self.made.append((kind, metadata["name"]))
            self._uids += 1
            metadata["uid"] = f"{kind.lower()}-{self._uids}"
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        key = kind, Ref(metadata["namespace"], metadata["name"])
        self.objects[key] = document
        return document

    def apply(self, document: Document) -> Ref:
        """Apply an object of ours as kubectl would: a changed spec is a new generation."""
        made = copy.deepcopy(document)
        kind = made["kind"]
        namespace = "" if kind == CLUSTER_PROFILE.name else "team"
        ref = Ref(made["metadata"].setdefault("namespace", namespace), made["metadata"]["name"])
        old = self.objects.get((kind, ref))
        if old is not None:
            changed = old["spec"] != made["spec"]
            generation = old["metadata"]["generation"] + changed
            metadata = {**old["metadata"], **made["metadata"], "generation": generation}
            made = {**made, "metadata": metadata, "status": old.get("status")}
        else:
            made["metadata"]["generation"] = 1
        self.put(kind, made)
        return ref

    def status(self, kind: str, name: str, status: Document, namespace: str = "team") -> None:
        """Write the status of an object, as a controller or the kubelet would."""
        document = self.objects[kind, Ref(namespace, name)]
        self.put(kind, {**document, "status": status})

    def remove(self, kind: str, name: str, namespace: str = "team") -> None:
        """Delete an object, and what it controls."""
        gone = self.objects.pop((kind, Ref(namespace, name)))
        self.version += 1
        for (owned, ref), document in list(self.objects.items()):
            owners = document["metadata"].get("ownerReferences", ())
            if any(owner["uid"] == gone["metadata"]["uid"] for owner in owners):
                self.remove(owned, ref.name, ref.namespace)

    def all(self, kind: str) -> list[Document]:
        """Every object of a kind, oldest first."""
        return [document for (of, _), document in self.objects.items() if of == kind]

    def one(self, kind: str) -> Document:
        """The only object of a kind."""
        (found,) = self.all(kind)
        return found

    def start_pod(self, job: Document, suffix: str = "a", status: Document | None = None) -> str:
        """Create a Job's next pod, as the Job controller and the kubelet would."""
        name = f"{job['metadata']['name']}-{suffix}"
        pod = kubelet.pod_of(job, name, self._time())
        self.put("Pod", {**pod, "status": status or kubelet.running(self._time())})
        return name

    def freeze(self, *kinds: str) -> None:
        """Let the watches of these kinds, or all, fall silent: what they show stays as it is."""
        for kind in kinds or WATCHED:
            shown = {key: each for key, each in self.objects.items() if key[0] == kind}
            self._stale[kind] = copy.deepcopy(shown)

    def hide(self, kind: str, name: str, namespace: str = "team") -> None:
        """Let the watch of a kind fall silent, and miss one object."""
        self.freeze(kind)
        del self._stale[kind][kind, Ref(namespace, name)]

    def thaw(self) -> None:
        """Let the watches catch up."""
        self._stale = {}

    def _time(self) -> str:
        return self.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    # View

    def _visible(self) -> dict[Key, Document]:
        live = {key: each for key, each in self.objects.items() if key[0] not in self._stale}
        return {
            **live,
            **{key: each for kind in self._stale.values() for key, each in kind.items()},
        }

    def resource(self, ref: Ref) -> Resource | None:
        found = self._visible().get((KIND, ref))
        return resource_seen(found) if found else None

    def profile(self, place: ProfilePlace) -> Profile | None:
        found = self._visible().get((place.kind, Ref(place.namespace, place.name)))
        return profile_seen(place.kind, found) if found else None

    def jobs(self, owner: str) -> tuple[Job, ...]:
        seen = [job_seen(d) for (kind, _), d in self._visible().items() if kind == "Job"]
        return tuple(job for job in seen if job and job.owner == owner)

    def pods(self, job: str) -> tuple[Pod, ...]:
        seen = [pod_seen(d) for (kind, _), d in self._visible().items() if kind == "Pod"]
        return tuple(pod for pod in seen if pod and pod.job == job)

    def workload(self, job: str) -> Workload | None:
        if not self.shows_workloads:
            return None
        seen = [workload_seen(d) for (kind, _), d in self._visible().items() if kind == "Workload"]
        return next((each for each in seen if each and each.job == job), None)

    # Cluster

    async def create_job(self, namespace: str, manifest: Manifest, *, owner: str) -> Version:
        ref = Ref(namespace, manifest["metadata"]["name"])

        def create() -> Version:
            self._check("Job")
            self._check((manifest["metadata"].get("labels") or {}).get(STAGE, ""))
            if found := self.objects.get(("Job", ref)):
                return self._taken(found, owner)
            return self._version_of(self.put("Job", copy.deepcopy(dict(manifest))))

        return self._write("create", "Job", ref.name, create)

    def _taken(self, found: Document, owner: str) -> Version:
        owners = [each["uid"] for each in found["metadata"].get("ownerReferences", ())]
        if owner not in owners:
            raise Rejected("the name is taken", conflict=True)
        if "deletionTimestamp" in found["metadata"]:
            raise Waiting("it is being deleted", after=SOON)
        return self._version_of(found)

    async def patch_job(self, job: Ref, uid: str, spec: Manifest) -> Version:
        def patch() -> Version:
            found = self._get("Job", job)
            if found["metadata"]["uid"] != uid:
                raise Rejected("the uid is immutable")
            changed = {**found, "spec": merged(found["spec"], spec)}
            return self._version_of(self.put("Job", copy.deepcopy(changed)))

        return self._write("patch", "Job", job.name, patch)

    async def delete_job(self, job: Ref, uid: str, *, last: bool = False) -> None:
        del last  # a Job and its pods go at once here
        self._write("delete", "Job", job.name, lambda: self._delete("Job", job, uid))

    async def has_job(self, job: Ref) -> bool:
        return ("Job", job) in self.objects

    async def uids(self, namespace: str | None) -> frozenset[str]:
        return frozenset(
            document["metadata"]["uid"]
            for (kind, ref), document in self.objects.items()
            if namespace in (None, ref.namespace)
            if kind in (KIND, PROFILE.name)
            or (document["metadata"].get("labels") or {}).get(MANAGED) == "true"
        )

    async def shared_uids(self) -> frozenset[str]:
        return frozenset(each["metadata"]["uid"] for each in self.all(CLUSTER_PROFILE.name))

    async def try_pod(self, namespace: str, manifest: Manifest) -> None:
        name = f"{namespace}/{manifest['metadata']['name']}"
        self._write("try", "Pod", name, lambda: self._check("Pod"))

    async def patch_status(self, ref: Ref, seen: Version, fields: Manifest) -> Version:
        def patch() -> Version:
            found = self._get(KIND, ref)
            if self._version_of(found) != seen:
                raise Waiting("the object has been modified", after=SOON)
            status = merged(found.get("status") or {}, fields)
            return self._version_of(self.put(KIND, copy.deepcopy({**found, "status": status})))

        return self._write("patch", "status", ref.name, patch)

    async def set_finalizers(self, ref: Ref, seen: Version, finalizers: Sequence[str]) -> Version:
        def patch() -> Version:
            found = self._get(KIND, ref)
            if self._version_of(found) != seen:
                raise Waiting("the object has been modified", after=SOON)
            metadata = {**found["metadata"], "finalizers": list(finalizers)}
            made = self._version_of(self.put(KIND, copy.deepcopy({**found, "metadata": metadata})))
            if "deletionTimestamp" in metadata and not finalizers:
                self.remove(KIND, ref.name, ref.namespace)
            return made

        return self._write("patch", KIND, ref.name, patch)

    async def post_event(self, namespace: str, manifest: Manifest) -> None:
        ref = Ref(namespace, manifest["metadata"]["name"])

        def create() -> None:
            self._check("Event")
            if ("Event", ref) not in self.objects:
                self.put("Event", copy.deepcopy(dict(manifest)))

        self._write("create", "Event", ref.name, create)

    async def delete_resource(self, ref: Ref, uid: str) -> None:
        self._write("delete", KIND, ref.name, lambda: self._delete(KIND, ref, uid))

    async def get_lease(self, ref: Ref) -> Lease | None:
        found = self.objects.get(("Lease", ref))
        return found["lease"] if found else None

    async def put_lease(self, ref: Ref, lease: Lease) -> Lease | None:
        def put() -> Lease | None:
            found = self.objects.get(("Lease", ref))
            if lease.version != (found["lease"].version if found else None):
                return None
            metadata = {"name": ref.name, "namespace": ref.namespace}
            made = self.put("Lease", {"metadata": metadata})
            kept = replace(lease, version=made["metadata"]["resourceVersion"])
            made["lease"] = kept
            return kept

        return self._write("put", "Lease", ref.name, put)

    # how it keeps its promises

    def _write(self, verb: str, kind: str, name: str, do: Callable[[], Done]) -> Done:
        self.writes.append((verb, kind, name))
        fails = self.fault is not None and len(self.writes) == self.fault.at
        if fails and self.fault and not self.fault.committed:
            raise Faulted("the connection broke before the server answered")
        result = do()
        if fails:
            raise Faulted("the connection broke after the server had done it")
        return result

    def _check(self, kind: str) -> None:
        if words := self.refuse.get(kind):
            raise Rejected(words, terminating=self.terminating)

    def _get(self, kind: str, ref: Ref) -> Document:
        found = self.objects.get((kind, ref))
        if found is None:
            raise Gone(f"{kind} {ref} not found")
        return found

    def _delete(self, kind: str, ref: Ref, uid: str) -> None:
        found = self.objects.get((kind, ref))
        if found is None or found["metadata"]["uid"] != uid:
            return
        if found["metadata"].get("finalizers"):
            metadata = {**found["metadata"], "deletionTimestamp": self._time()}
            self.put(kind, {**found, "metadata": metadata})
        else:
            self.remove(kind, ref.name, ref.namespace)

    @staticmethod
    def _version_of(document: Document) -> Version:
        metadata = document["metadata"]
        return Version(metadata["uid"], int(metadata["resourceVersion"]))
