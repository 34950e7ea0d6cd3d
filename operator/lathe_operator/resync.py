"""The resync: now and then, look at everything that is open, and do not trust the watches."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Protocol

from lathe_operator.cluster import Cluster
from lathe_operator.errors import Failure
from lathe_operator.values import Ref

logger = logging.getLogger(__name__)


class WatchBroken(Exception):  # noqa: N818 - named by what happened, not by being an exception
    """The watches show what is gone. Only a new list says what is there: begin anew."""


class Shown(Protocol):
    """What the watches have shown, as a whole."""

    def refs(self, *, unfinished: bool) -> tuple[Ref, ...]:
        """Every resource, or every one that has not ended."""

    def job_uids(self) -> frozenset[str]:
        """The uids of all Jobs."""


async def ghosts(
    shown: Shown, cluster: Cluster, namespaces: Iterable[str | None], *, settle: timedelta
) -> frozenset[str]:
    """The uids of Jobs that the watches show and the server does not know.

    A watch that has to begin anew, because the server has forgotten where it was, misses what was
    deleted meanwhile. `settle` is how long news may be on the way.
    """
    before = shown.job_uids()
    listed: set[str] = set()
    for namespace in namespaces:
        listed |= await cluster.job_uids(namespace)
    suspects = before - listed
    if suspects:
        await asyncio.sleep(settle.total_seconds())
    return suspects & shown.job_uids()


async def resync(
    shown: Shown,
    cluster: Cluster,
    add: Callable[[Ref], None],
    *,
    namespaces: Iterable[str | None],
    every: timedelta,
) -> None:
    """Compare and look, for ever: one request to the server each time, however much there is.

    Raises:
        WatchBroken: When the watches show what is gone.
    """
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            gone = await ghosts(shown, cluster, namespaces, settle=SETTLE)
        except Failure as failure:
            logger.warning("the watches cannot be compared with a list: %s", failure.message)
            continue
        if gone:
            raise WatchBroken(f"the watch of Jobs has missed the end of {len(gone)} of them")
        for ref in shown.refs(unfinished=True):
            add(ref)


SETTLE = timedelta(seconds=30)
"""Longer than any watch takes that works."""
