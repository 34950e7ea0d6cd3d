"""Leadership: at most one process works, the others stand by and watch nothing."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lathe_operator import metrics
from lathe_operator.cluster import Cluster
from lathe_operator.errors import Failure
from lathe_operator.lease import Lease
from lathe_operator.values import Ref

logger = logging.getLogger(__name__)

MARGIN = 2 / 3
"""Share of a Lease's duration after which its holder gives up: the rest is for what it still has
on the way to the server."""


class LeadershipLost(Exception):  # noqa: N818 - named by what happened, not by being an exception
    """Another process may lead now: this one must end at once."""


class Leadership:
    """A Lease, taken when it is free, and renewed until it is lost or given back.

    Whether it is free is judged by this machine's own monotonic clock: a record that has not
    changed for as long as it says it holds is nobody's, whatever time its holder's clock told.
    """

    def __init__(
        self,
        cluster: Cluster,
        ref: Ref,
        identity: str,
        *,
        duration: timedelta,
        retry: timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Compete for the Lease `ref`.

        Args:
            cluster: Where the Lease is.
            ref: Its place.
            identity: Tells this process from all others.
            duration: How long a leader that has fallen silent is waited for.
            retry: How often the Lease is looked at, or renewed; well below `duration`.
            clock: Seconds that never go back.
        """
        self._cluster, self._ref, self._identity = cluster, ref, identity
        self._duration, self._retry, self._clock = duration, retry, clock
        self._seen: Lease | None = None
        self._seen_at = 0.0
        self._mine: Lease | None = None
        self._held_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether nobody else can lead now: asked before every write."""
        return self._clock() < self._held_until

    async def acquire(self) -> None:
        """Wait until this process leads."""
        while not await self._take():  # noqa: ASYNC110 - the event is in the cluster
            await asyncio.sleep(self._retry.total_seconds())
        metrics.LEADER.set(1)
        logger.info("%s leads", self._identity)

    async def keep(self) -> None:
        """Renew until it is lost.

        Raises:
            LeadershipLost: When somebody else took it, or it could not be renewed in time.
        """
        while self.is_held:
            await asyncio.sleep(self._retry.total_seconds())
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._held_until - self._clock())):
                    await self._renew()
        metrics.LEADER.set(0)
        raise LeadershipLost(f"{self._identity} could not renew the Lease {self._ref}")

    async def release(self) -> None:
        """Give it back, so that the next process need not wait."""
        mine, self._held_until = self._mine, 0.0
        if mine is not None:
            with suppress(Failure):
                await self._cluster.put_lease(self._ref, replace(mine, holder="", seconds=1))

    async def _take(self) -> bool:
        """Become the leader if nobody is."""
        try:
            lease = await self._cluster.get_lease(self._ref)
            return (lease is None or self._is_free(lease)) and await self._put(self._next(lease))
        except Failure as failure:
            logger.warning("the Lease %s cannot be had: %s", self._ref, failure.message)
            return False

    def _is_free(self, lease: Lease) -> bool:
        if lease != self._seen:
            self._seen, self._seen_at = lease, self._clock()
        return not lease.holder or self._clock() - self._seen_at >= lease.seconds

    def _next(self, lease: Lease | None) -> Lease:
        now = datetime.now(UTC)
        return Lease(
            holder=self._identity,
            seconds=math.ceil(self._duration.total_seconds()),
            acquired=now,
            renewed=now,
            transitions=lease.transitions + 1 if lease else 0,
            version=lease.version if lease else None,
        )

    async def _renew(self) -> None:
        if self._mine is None:
            return
        try:
            if not await self._put(replace(self._mine, renewed=datetime.now(UTC))):
                await self._look_who_wrote()
        except Failure as failure:
            logger.warning("the Lease %s cannot be renewed: %s", self._ref, failure.message)

    async def _look_who_wrote(self) -> None:
        """Somebody wrote it: perhaps we did, and the answer was lost."""
        lease = await self._cluster.get_lease(self._ref)
        if lease is not None and lease.holder == self._identity:
            self._mine = lease
        else:
            self._held_until = 0.0

    async def _put(self, lease: Lease) -> bool:
        asked = self._clock()  # others count from when they see it, which is later
        put = await self._cluster.put_lease(self._ref, lease)
        if put is None:
            return False
        self._mine = put
        self._held_until = asked + self._duration.total_seconds() * MARGIN
        return True
