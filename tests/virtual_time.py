"""An event loop whose clock jumps to the next thing that is due: hours pass in no time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nobody waits: when nothing is ready, it is already later."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined] # asyncio's heap of timers
        ready = self._ready  # type: ignore[attr-defined] # asyncio's queue of callbacks
        if scheduled and not ready:
            self._now = max(self._now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc] # asyncio's own step


def in_virtual_time(story: Coroutine[Any, Any, Result]) -> Result:
    """Run a story to its end, whatever time it takes by its own clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)
