"""What the watches bring goes into the view, and news into the queue. Nothing is decided here."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import kopf

from lathe_api.v1alpha1.kinds import PROFILES, Kind
from lathe_api.v1alpha1.resource import GROUP, PLURAL, VERSION
from lathe_operator import kueue
from lathe_operator.seen import queued_for, worked_for
from lathe_operator.values import MANAGED, Ref
from lathe_operator.view import WatchedView

RESOURCES = (GROUP, VERSION, PLURAL)
JOBS = ("batch", "v1", "jobs")
PODS = ("", "v1", "pods")
WORKLOADS = (kueue.GROUP, kueue.PLURAL)
KINDS = (PLURAL, *(kind.plural for kind in PROFILES), "jobs", "pods")
BOOKMARKS = 60
"""Seconds between the signs of life that the API server sends on a silent watch."""


class Ages:
    """When each watch last brought an object."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Count from now on."""
        self._clock = clock
        self._begun = clock()
        self._last: dict[str, float] = {}

    def saw(self, kind: str) -> None:
        """Note that a watch brought an object of that kind."""
        self._last[kind] = self._clock()

    def of(self, kind: str) -> float:
        """Seconds since then; since the beginning, where it has brought nothing."""
        return self._clock() - self._last.get(kind, self._begun)


def registry(
    view: WatchedView,
    add: Callable[[Ref], None],
    ages: Ages,
    profiles: Sequence[Kind] = PROFILES,
    *,
    workloads: str | None = None,
) -> kopf.OperatorRegistry:
    """The handlers: what is seen is shown to `view`, and what is new there is told to `add`.

    Only profiles of the kinds `profiles` are watched. Kueue's Workloads are watched too, where
    there is an API version `workloads` of them.
    """
    found = kopf.OperatorRegistry()

    def tell(ref: Ref, *, news: bool) -> None:
        if news:
            add(ref)

    @kopf.on.login(registry=found)
    def login(**known: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - whatever kopf passes
        return kopf.login_via_client(**known)

    @kopf.on.event(*RESOURCES, registry=found)
    async def on_resource(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002
        ages.saw(PLURAL)
        news = view.show_resource(body, gone=type == "DELETED")
        tell(Ref(body["metadata"]["namespace"], body["metadata"]["name"]), news=news)

    @kopf.on.event(*JOBS, registry=found)
    async def on_job(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002
        ages.saw("jobs")
        tell(worked_for(body), news=view.show_job(body, gone=type == "DELETED"))

    @kopf.on.event(*PODS, registry=found)
    async def on_pod(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002
        ages.saw("pods")
        tell(worked_for(body), news=view.show_pod(body, gone=type == "DELETED"))

    for kind in profiles:
        _watch_profiles(kind, found, view, add, ages)
    _watch_workloads(workloads, found, view, add, ages)
    return found


def _watch_profiles(
    kind: Kind,
    found: kopf.OperatorRegistry,
    view: WatchedView,
    add: Callable[[Ref], None],
    ages: Ages,
) -> None:
    @kopf.on.event(GROUP, VERSION, kind.plural, registry=found)
    async def on_profile(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002
        concerned = view.show_profile(kind.name, body, gone=type == "DELETED")
        ages.saw(kind.plural)
        for ref in concerned:
            add(ref)


def _watch_workloads(
    version: str | None,
    found: kopf.OperatorRegistry,
    view: WatchedView,
    add: Callable[[Ref], None],
    ages: Ages,
) -> None:
    if version is None:
        return

    @kopf.on.event(kueue.GROUP, version, kueue.PLURAL, registry=found)
    async def on_workload(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002
        news = view.show_workload(body, gone=type == "DELETED")
        ages.saw(kueue.PLURAL)
        if news and (ref := queued_for(body)):
            add(ref)


class Nothing(kopf.DiffBaseStorage):
    """Where kopf keeps what it last saw of an object, so as to tell what changed: nowhere.

    We never ask what changed. Nothing is put on any object, and no object is copied to compare it:
    half of the time that an event takes.
    """

    def build(self, **_: Any) -> Any:  # noqa: ANN401 - kopf's own types, which it does not export
        """An object has no essence."""
        return {}

    def fetch(self, **_: Any) -> None:  # noqa: ANN401 - kopf's own types
        """It never had one."""

    def store(self, **_: Any) -> None:  # noqa: ANN401 - kopf's own types
        """And it never will."""


def kopf_settings() -> kopf.OperatorSettings:
    """How kopf watches: it selects on the server, survives silence, and writes nothing at all."""
    settings = kopf.OperatorSettings()
    settings.watching.label_selectors[JOBS] = f"{MANAGED}=true"
    settings.watching.label_selectors[PODS] = f"{MANAGED}=true"
    settings.watching.label_selectors[WORKLOADS] = kueue.JOB
    settings.watching.chunk_size = 100
    settings.watching.connect_timeout = 30
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.inactivity_timeout = BOOKMARKS + 10
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.networking.enforce_retry_after = True
    settings.persistence.diffbase_storage = Nothing()
    settings.persistence.progress_storage = kopf.MultiProgressStorage([])
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.queueing.idle_timeout = 0.1  # for so long, kopf keeps an object that it has handled
    return settings
