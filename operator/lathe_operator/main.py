"""The operator's process: wiring, and nothing else."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import kopf
from pydantic import ValidationError

from lathe_api.v1alpha1.kinds import PROFILE, PROFILES, Kind
from lathe_operator import discovery, handlers, health, kueue, metrics
from lathe_operator.cluster import KubernetesCluster
from lathe_operator.errors import Failure
from lathe_operator.leader import Leadership, LeadershipLost
from lathe_operator.metrics import collectors, tally
from lathe_operator.queue import Queue
from lathe_operator.reconcile import Reconciler
from lathe_operator.resync import Comparison, resync
from lathe_operator.settings import Settings, identity
from lathe_operator.values import Ref
from lathe_operator.view import WatchedView

logger = logging.getLogger("lathe_operator")


class NotInstalled(Exception):  # noqa: N818 - named by what is the matter
    """The cluster does not know what a ModelOptimization is, or what a profile is."""

    def __init__(self) -> None:
        super().__init__(
            "the cluster does not serve all kinds of lathe.dev: `kubectl apply -f crds/`"
        )


async def serve(settings: Settings) -> None:
    """Stand by until this process leads, then work until it is told to stop.

    Raises:
        NotInstalled: When there is nothing to watch.
        Exception: When a part of it failed; the next process begins with a fresh view.
    """
    watching = asyncio.Event()
    async with KubernetesCluster.connected() as connection:
        leadership = Leadership(
            connection,
            settings.lease,
            identity(),
            duration=settings.lease_duration,
            retry=settings.lease_retry,
        )

        def not_ready() -> str | None:
            begins = leadership.is_held and not watching.is_set()
            return "the watches have not begun" if begins else None

        async with health.served(settings.host, settings.port, readiness=not_ready):
            if not await connection.serves_the_resource():
                raise NotInstalled
            await leadership.acquire()
            try:
                await _lead(settings, connection, leadership, watching)
            finally:
                await leadership.release()


async def _lead(
    settings: Settings,
    connection: KubernetesCluster,
    leadership: Leadership,
    watching: asyncio.Event,
) -> None:
    """Watch, look and write, until the first part of it ends."""
    cluster = connection.guarded(lambda: leadership.is_held)
    namespaces, every = settings.namespaces or (None,), timedelta(seconds=settings.resync_seconds)
    find_queues = partial(
        discovery.watchable, connection.read, kueue.GROUP, kueue.PLURAL, namespaces
    )
    workloads = await discovery.find(find_queues)
    view, ages = WatchedView(shows_workloads=workloads is not None), handlers.Ages()
    reconciler = Reconciler(view, cluster, settings.policy, on_fact=tally.count)
    comparison = Comparison(view, cluster, namespaces, shared=settings.cluster_profiles)

    async def look(ref: Ref) -> timedelta | None:
        await watching.wait()  # what is missing before is not known to be missing
        return await reconciler.look(ref)

    queue = Queue(look)
    _show(view, ages, queue)

    async def compare() -> None:
        await comparison.caught_up()
        watching.set()
        await resync(comparison, view, queue.add, every=every)

    await _until_one_ends(
        queue.run(settings.workers),
        _keep(leadership),
        compare(),
        discovery.until_it_changes(find_queues, workloads, every=every),
        # The last: when it ends, it ends every task that began after it.
        kopf.operator(
            registry=handlers.registry(
                view, queue.add, ages, _profiles(settings), workloads=workloads
            ),
            settings=handlers.kopf_settings(),
            namespaces=settings.namespaces,
            clusterwide=not settings.namespaces,
        ),
    )


def _profiles(settings: Settings) -> tuple[Kind, ...]:
    """Which kinds of profiles are watched."""
    return PROFILES if settings.cluster_profiles else (PROFILE,)


async def _until_one_ends(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all parts, in this order; when one ends, end the others, and raise what it raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _keep(leadership: Leadership) -> None:
    """End the process, at once and whatever it does, when another may lead."""
    try:
        await leadership.keep()
    except LeadershipLost as lost:
        logger.critical("%s: ending at once", lost)
        logging.shutdown()
        os._exit(1)


def _show(view: WatchedView, ages: handlers.Ages, queue: Queue) -> None:
    """Let metrics ask for what is only known here."""
    collectors.count(view)
    metrics.QUEUE_DEPTH.set_function(lambda: len(queue))
    for kind in handlers.KINDS:
        metrics.WATCH_AGE.labels(kind).set_function(partial(ages.of, kind))


def _log(level: str) -> None:
    """JSON to stderr; kopf's own account of every event only where somebody debugs."""
    kopf.configure(log_format=kopf.LogFormat.JSON)
    logging.getLogger().setLevel(level)
    if level != "DEBUG":
        logging.getLogger("kopf").setLevel(logging.WARNING)


def _version() -> str:
    """Which version this is; code that was only copied has none."""
    try:
        return version("lathe")
    except PackageNotFoundError:
        return "unknown"


async def _until_told_to_stop(settings: Settings) -> None:
    """Serve; a SIGTERM before there is anything to end simply ends."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await serve(settings)


def main() -> None:
    """Run the operator; ends with 1 and one line of log when it cannot go on."""
    try:
        settings = Settings()
    except ValidationError as invalid:
        names = ", ".join(f"LATHE_{error['loc'][0]}".upper() for error in invalid.errors())
        raise SystemExit(f"these settings are missing or wrong: {names}\n{invalid}") from None
    _log(settings.log_level)
    tally.begin(_version())
    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(_until_told_to_stop(settings))
    except (NotInstalled, Failure) as known:
        logger.critical("%s", known)
        raise SystemExit(1) from None
    except Exception as unknown:
        logger.critical("the operator ends: the next one begins anew", exc_info=unknown)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
