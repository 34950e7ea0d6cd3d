"""The keyed queue: each resource is looked at once at a time, and after a failure, later and later.

>>> queue = Queue(reconciler.look)
>>> queue.add(Ref("team", "digits"))
>>> await queue.run(workers=16)
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from lathe_operator import metrics
from lathe_operator.errors import Failure, Waiting
from lathe_operator.values import Ref

logger = logging.getLogger(__name__)

Look = Callable[[Ref], Awaitable[timedelta | None]]
"""Looks at a resource once, and says when to look again if nothing happens."""


class Backoff:
    """How long to wait after the n-th failure in a row: twice as long each time, with jitter."""

    def __init__(
        self,
        first: timedelta = timedelta(milliseconds=500),
        most: timedelta = timedelta(minutes=2),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Begin at `first`, end at `most`; `jitter` takes up to a half of it away."""
        self._first, self._most, self._jitter = first, most, jitter

    def after(self, failures: int) -> timedelta:
        """The time to wait after that many failures in a row."""
        whole = min(self._first * 2.0 ** min(failures - 1, 30), self._most)
        return whole * (1 - self._jitter() / 2)


class Queue:
    """What is to be looked at, in the order in which it was asked for."""

    def __init__(self, look: Look, *, backoff: Backoff | None = None) -> None:
        """Give each resource that is added to `look`."""
        self._look = look
        self._backoff = backoff or Backoff()
        self._ready: asyncio.Queue[Ref] = asyncio.Queue()
        self._waiting: set[Ref] = set()
        self._busy: set[Ref] = set()
        self._stale: set[Ref] = set()
        self._timers: dict[Ref, asyncio.TimerHandle] = {}
        self._failures: dict[Ref, int] = {}

    def __len__(self) -> int:
        """How many resources wait for a look now."""
        return len(self._waiting)

    def add(self, ref: Ref) -> None:
        """Have a resource looked at soon: once, however often it is added until then.

        One that is being looked at is looked at again afterwards: the look may have been too early
        to see why it was added.
        """
        if ref in self._busy:
            self._stale.add(ref)
        elif ref not in self._waiting:
            self._waiting.add(ref)
            self._ready.put_nowait(ref)

    def add_after(self, ref: Ref, delay: timedelta) -> None:
        """Have a resource looked at after a while; a later word on when replaces this one."""
        self._forget_timer(ref)
        loop = asyncio.get_running_loop()
        self._timers[ref] = loop.call_later(max(0.0, delay.total_seconds()), self._due, ref)

    async def run(self, workers: int) -> None:
        """Look at what is added, at most so many at once, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(self._work(), name=f"looks {number}")

    async def _work(self) -> None:
        while True:
            ref = await self._ready.get()
            self._waiting.discard(ref)
            self._busy.add(ref)
            self._forget_timer(ref)
            again = await self._look_once(ref)
            self._busy.discard(ref)
            if ref in self._stale:
                self._stale.discard(ref)
                self.add(ref)
            if again is not None:
                self.add_after(ref, again)

    async def _look_once(self, ref: Ref) -> timedelta | None:
        """Look, and turn what went wrong into when to look again."""
        with metrics.LOOK_SECONDS.time():
            try:
                again = await self._look(ref)
            except Waiting as waiting:
                logger.info("%s waits: %s", ref, waiting.message)
                return waiting.after
            except Failure as failure:
                return self._failed(ref, type(failure).__name__, failure.message)
            except Exception as defect:
                logger.exception("%s cannot be looked at", ref)
                return self._failed(ref, "defect", repr(defect))
        self._failures.pop(ref, None)
        return again

    def _failed(self, ref: Ref, failure: str, message: str) -> timedelta:
        metrics.LOOK_ERRORS.labels(failure).inc()
        self._failures[ref] = failures = self._failures.get(ref, 0) + 1
        delay = self._backoff.after(failures)
        logger.warning("%s: %s; again in %.1f s", ref, message, delay.total_seconds())
        return delay

    def _due(self, ref: Ref) -> None:
        self._timers.pop(ref, None)
        self.add(ref)

    def _forget_timer(self, ref: Ref) -> None:
        if timer := self._timers.pop(ref, None):
            timer.cancel()
