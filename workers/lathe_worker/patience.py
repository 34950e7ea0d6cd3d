"""How often, and for how long, an answer is asked for again."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lathe_steps.errors import Stopped

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long failures without any progress between them are borne, in seconds."""

    seconds: float = 60.0
    first_pause: float = 0.25
    longest_pause: float = 8.0

    def pause(self, failures: int, chance: float) -> float:
        """The pause after so many failures in a row: doubling, and spread by chance in [0, 1).

        At least half of it is always waited, so that a crowd of workers neither returns at once
        nor all together.
        """
        whole = min(self.longest_pause, self.first_pause * 2.0 ** (failures - 1))
        return whole * (0.5 + chance / 2)


class MayPass(Exception):  # noqa: N818 - named by what it says of the failure
    """A failure that may pass.

    Attributes:
        stopped: What to end with when it does not.
        patience: How long it is worth waiting for.
    """

    def __init__(self, stopped: Stopped, patience: Patience) -> None:
        super().__init__(stopped.message)
        self.stopped = stopped
        self.patience = patience


def persist(
    attempt: Callable[[], Answer],
    *,
    reached: Callable[[], int] = lambda: 0,
    wait: Callable[[float], object] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Answer:
    """Attempt until there is an answer, or patience ends with MayPass's `stopped`.

    `reached` says how far the attempts have come in all: progress renews the patience, since
    a transfer that moves is no failure. Errors other than MayPass go through at once.
    """
    mark, failures, since = reached(), 0, now()
    while True:
        try:
            return attempt()
        except MayPass as failure:
            if reached() != mark:
                mark, failures, since = reached(), 0, now()
            failures += 1
            pause = failure.patience.pause(failures, random.random())  # noqa: S311 - no secret
            if now() + pause - since > failure.patience.seconds:
                raise failure.stopped from failure.__cause__
            _log.warning("%s; trying again in %.1f s", failure.stopped.message, pause)
            wait(pause)
