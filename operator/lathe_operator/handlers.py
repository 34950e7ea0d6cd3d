"""What the watches bring: into the indices, and into the queue. Nothing is decided here."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import kopf

from lathe_api.v1alpha1.resource import GROUP, PLURAL, VERSION
from lathe_operator.decide.names import RESOURCE
from lathe_operator.seen import job_seen, pod_seen, resource_seen
from lathe_operator.values import MANAGED, Job, Pod, Ref, Resource

RESOURCES = (GROUP, VERSION, PLURAL)
JOBS = ("batch", "v1", "jobs")
PODS = ("", "v1", "pods")
KINDS = (PLURAL, "jobs", "pods")
BOOKMARKS = 60
"""Seconds between the signs of life that the API server sends on a silent watch."""


class IndexView:
    """What the watches have shown, from kopf's indices."""

    def __init__(self) -> None:
        """Begin empty: `attach` it when the watches begin."""
        self._resources: Mapping[Ref, Any] = {}
        self._jobs: Mapping[str, Any] = {}
        self._pods: Mapping[str, Any] = {}

    def attach(
        self, resources: Mapping[Ref, Any], jobs: Mapping[str, Any], pods: Mapping[str, Any]
    ) -> None:
        """Look at these indices from now on."""
        self._resources, self._jobs, self._pods = resources, jobs, pods

    def resource(self, ref: Ref) -> Resource | None:
        """See `View`; of namesakes, the newest."""
        return max(self._resources.get(ref, ()), key=lambda each: each.version, default=None)

    def jobs(self, owner: str) -> tuple[Job, ...]:
        """See `View`."""
        return tuple(self._jobs.get(owner, ()))

    def pods(self, job: str) -> tuple[Pod, ...]:
        """See `View`."""
        return tuple(self._pods.get(job, ()))

    def refs(self, *, unfinished: bool) -> tuple[Ref, ...]:
        """Every resource, or every one that has not ended."""
        return tuple(
            ref
            for ref in self._resources
            if (found := self.resource(ref)) and not (unfinished and found.finished)
        )

    def job_uids(self) -> frozenset[str]:
        """The uids of all Jobs."""
        return frozenset(job.uid for store in self._jobs.values() for job in store)

    def phases(self) -> Mapping[str, int]:
        """How many resources are in each phase."""
        return Counter(each.phase for store in self._resources.values() for each in store)


class Ages:
    """When each watch last brought an object."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Count from now on."""
        self._clock = clock
        self._last: dict[str, float] = defaultdict(clock)

    def saw(self, kind: str) -> None:
        """Note that a watch brought an object of that kind."""
        self._last[kind] = self._clock()

    def of(self, kind: str) -> float:
        """Seconds since then."""
        return self._clock() - self._last[kind]


def registry(add: Callable[[Ref], None], view: IndexView, ages: Ages) -> kopf.OperatorRegistry:
    """The handlers: what is seen goes into `view`, and what it is about to `add`."""
    found = kopf.OperatorRegistry()
    _begin(found, view)
    _index(found)
    _watch(found, add, ages)
    return found


def _begin(found: kopf.OperatorRegistry, view: IndexView) -> None:
    @kopf.on.login(registry=found)
    def login(**known: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - whatever kopf passes
        return kopf.login_via_client(**known)

    @kopf.on.startup(registry=found)
    async def begin(**indices: Any) -> None:  # noqa: ANN401 - whatever kopf passes
        view.attach(indices["resources"], indices["jobs"], indices["pods"])


def _index(found: kopf.OperatorRegistry) -> None:
    @kopf.index(*RESOURCES, id="resources", registry=found)
    async def index_resource(body: kopf.Body, **_: object) -> dict[Ref, Resource]:
        seen = resource_seen(body)
        return {seen.ref: seen}

    @kopf.index(*JOBS, id="jobs", registry=found)
    async def index_job(body: kopf.Body, **_: object) -> dict[str, Job]:
        seen = job_seen(body)
        return {seen.owner: seen} if seen else {}

    @kopf.index(*PODS, id="pods", registry=found)
    async def index_pod(body: kopf.Body, **_: object) -> dict[str, Pod]:
        seen = pod_seen(body)
        return {seen.job: seen} if seen else {}


def _watch(found: kopf.OperatorRegistry, add: Callable[[Ref], None], ages: Ages) -> None:
    @kopf.on.event(*RESOURCES, registry=found)
    async def on_resource(namespace: str | None, name: str, **_: object) -> None:
        ages.saw(PLURAL)
        add(Ref(namespace or "", name))

    @kopf.on.event(*JOBS, registry=found)
    async def on_job(namespace: str | None, labels: Mapping[str, str], **_: object) -> None:
        ages.saw("jobs")
        add(Ref(namespace or "", labels.get(RESOURCE, "")))

    @kopf.on.event(*PODS, registry=found)
    async def on_pod(namespace: str | None, labels: Mapping[str, str], **_: object) -> None:
        ages.saw("pods")
        add(Ref(namespace or "", labels.get(RESOURCE, "")))


def kopf_settings() -> kopf.OperatorSettings:
    """How kopf watches: it selects on the server, survives silence, and writes nothing at all."""
    settings = kopf.OperatorSettings()
    settings.watching.label_selectors[JOBS] = f"{MANAGED}=true"
    settings.watching.label_selectors[PODS] = f"{MANAGED}=true"
    settings.watching.chunk_size = 500
    settings.watching.connect_timeout = 30
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.inactivity_timeout = BOOKMARKS + 10
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.networking.enforce_retry_after = True
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.queueing.worker_limit = None  # a limit below the number of objects stops the start
    return settings
