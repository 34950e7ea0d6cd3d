"""Comparing the view with the server: when it is complete at first, and whether it still is."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Protocol

from lathe_operator import metrics
from lathe_operator.cluster import Cluster
from lathe_operator.errors import Failure
from lathe_operator.values import Ref

logger = logging.getLogger(__name__)

SETTLE = timedelta(seconds=30)
"""Longer than news are on their way through any watch that works."""
PATIENCE = timedelta(seconds=5)
"""How long the first lists may take to be shown before the server is asked again."""
MOMENT = timedelta(milliseconds=100)


class WatchBroken(Exception):  # noqa: N818 - named by what happened, not by being an exception
    """The view and the server disagree for good. Only a new list says what is there: begin anew."""


class Shown(Protocol):
    """What the watches have shown, as a whole."""

    def uids(self) -> frozenset[str]:
        """The uids of everything."""

    def unfinished(self) -> tuple[Ref, ...]:
        """Every resource that has not ended."""


class Comparison:
    """The view of some namespaces, beside what the server says."""

    def __init__(
        self,
        shown: Shown,
        cluster: Cluster,
        namespaces: Iterable[str | None],
        *,
        shared: bool = True,
    ) -> None:
        """Compare `shown` with `cluster`; the namespace None stands for all of them.

        Profiles that all namespaces share are compared unless `shared` says that they are not
        watched.
        """
        self._shown, self._cluster, self._shared = shown, cluster, shared
        self._namespaces = tuple(namespaces)

    async def caught_up(self) -> None:
        """Wait until the view shows everything that is there: before, what is missing is unknown.

        Raises:
            Failure: When the server does not say what is there.
        """
        while True:
            listed = await self._listed()
            for _ in range(PATIENCE // MOMENT):
                if listed <= self._shown.uids():
                    metrics.VIEW_CONFIRMED.set_to_current_time()
                    return
                await asyncio.sleep(MOMENT.total_seconds())

    async def disagreement(self) -> frozenset[str]:
        """The uids of what the view shows and the server does not know, or the reverse.

        A watch that begins anew, because the server has forgotten where it was, misses what was
        deleted meanwhile. What is merely on its way is not counted.
        """
        suspects = await self._listed() ^ self._shown.uids()
        if suspects:
            await asyncio.sleep(SETTLE.total_seconds())
            suspects &= await self._listed() ^ self._shown.uids()
        if not suspects:
            metrics.VIEW_CONFIRMED.set_to_current_time()
        return suspects

    async def _listed(self) -> frozenset[str]:
        lists = [await self._cluster.uids(namespace) for namespace in self._namespaces]
        shared = await self._cluster.shared_uids() if self._shared else frozenset()
        return shared.union(*lists)


async def resync(
    comparison: Comparison, shown: Shown, add: Callable[[Ref], None], *, every: timedelta
) -> None:
    """Now and then, compare, and look at everything that is open: for ever.

    Raises:
        WatchBroken: When the view shows what is gone, or does not show what is there.
    """
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            broken = await comparison.disagreement()
        except Failure as failure:
            logger.warning("the view cannot be compared with the server: %s", failure.message)
            continue
        if broken:
            raise WatchBroken(f"the watches are wrong about {len(broken)} objects")
        for ref in shown.unfinished():
            add(ref)
