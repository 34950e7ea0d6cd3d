"""Whether there are queues: asked when the operator begins, and now and then once more."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from lathe_operator.errors import Failure, Gone, Rejected

logger = logging.getLogger(__name__)

Read = Callable[[str, Mapping[str, str] | None], Awaitable[Mapping[str, Any]]]
"""Reads a path of the API server, with a query."""
Ask = Callable[[], Awaitable[str | None]]
"""Gives the version of the API in which Kueue's Workloads can be watched, or raises a Failure."""


class QueuesChanged(Exception):  # noqa: N818 - named by what happened, not by being an exception
    """Kueue came, went, or changed its API; what is watched is chosen when a process begins."""


async def watchable(
    read: Read, group: str, plural: str, namespaces: Iterable[str | None]
) -> str | None:
    """The version of the API under which somebody else's objects can be watched.

    None where there is no such API, or no right to it.

    Raises:
        Failure: When the server does not say.
    """
    try:
        found = await read(f"/apis/{group}", None)
        version: str = found["preferredVersion"]["version"]
        for namespace in namespaces:
            within = f"/namespaces/{namespace}" if namespace else ""
            await read(f"/apis/{group}/{version}{within}/{plural}", {"limit": "1"})
    except (Gone, Rejected):
        return None
    return version


async def find(ask: Ask) -> str | None:
    """The version, or None where Workloads cannot be watched: they only lend their words."""
    try:
        return await ask()
    except Failure as failure:
        logger.warning("Kueue's Workloads cannot be watched: %s", failure.message)
        return None


async def until_it_changes(ask: Ask, known: str | None, *, every: timedelta) -> None:
    """Ask now and then, for ever, while the answer stays what is known.

    Raises:
        QueuesChanged: When it does not.
    """
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            found = await ask()
        except Failure:
            continue  # no answer
        if found != known:
            raise QueuesChanged(f"the API of Kueue's Workloads was {known} and is {found}")
