"""Identical runs at the same time: one does the work, and the others wait for its result.

A claim saves work and decides nothing: where it is lost, or storage knows no conditions on writes,
two runs do the same, and the second to finish finds the first one's manifest.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from lathe_api.plan import Plan
from lathe_steps.base import Parameters
from lathe_steps.errors import BadInput, Stopped
from lathe_steps.reasons import Reason
from lathe_worker.kept import FOLDER
from lathe_worker.store import Store, StoredObject

CLAIMS = f"{FOLDER}claims/"
"""Under the output's prefix: one object per run key, whatever became of the run."""
LIMIT = 64 * 1024
"""Most bytes of a claim."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often claims are renewed and looked at, in seconds.

    Attributes:
        lease: How old a claim may be: whoever has not renewed it for so long is dead.
        beat: How often it is renewed.
        look: How often one who waits looks.
    """

    lease: float = 30.0
    beat: float = 10.0
    look: float = 3.0


class Claim(Parameters):
    """Who does a run's work."""

    schema_version: Literal["lathe.dev/claim/v1"] = "lathe.dev/claim/v1"
    run_key: str
    """Digest of everything that decides the result."""
    holder: str
    """The resource, as namespace/name."""
    token: str
    """Tells the worker from every other, those of the same resource too."""
    beat: int = 0
    """Grows with each renewal, so that no version looks like one before."""
    released: bool = False
    """Whether the holder is done, with a result or without."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A claim as it was found; None for what cannot be read as one."""

    object: StoredObject
    claim: Claim | None


class Claims:
    """Claims upon the work of one plan, under its output's prefix."""

    def __init__(
        self, store: Store, plan: Plan, pace: Pace, wait: Callable[[float], object] = time.sleep
    ) -> None:
        """Keep claims in `store`, if the plan's cache is one that is written."""
        self._store, self._plan, self._pace, self._wait = store, plan, pace, wait

    @contextmanager
    def held(
        self, run_key: str, is_done: Callable[[], bool], tell: Callable[[str], None]
    ) -> Iterator[None]:
        """Hold the claim upon a run's work, after having waited for whoever holds it.

        Args:
            run_key: Of the run.
            is_done: Whether its result is there; then nothing is held.
            tell: Told whom the run waits for.
        """
        held = self._taken(run_key, is_done, tell) if self._plan.cache == "ReadWrite" else None
        if held is None:
            yield
            return
        with held.renewed():
            yield

    def _taken(
        self, run_key: str, is_done: Callable[[], bool], tell: Callable[[str], None]
    ) -> "Held | None":
        uri = f"{self._plan.output.uri}{CLAIMS}{run_key}.json"
        holder = f"{self._plan.namespace}/{self._plan.name}"
        held = Held(
            self._store, uri, Claim(run_key=run_key, holder=holder, token=_token()), self._pace
        )
        watch = _Watch(self._store, uri, self._pace)
        try:
            while not is_done():
                other = watch.holder()
                if other is None and held.take(watch.seen):
                    return held
                if other is not None:
                    tell(f"waits for {other}, whose worker does the same work")
                    self._wait(self._pace.look)
        except BadInput as stopped:
            if stopped.reason is not Reason.STORAGE_REFUSED:
                raise
            log.warning("goes on without a claim: %s", stopped.message)
        return None


class _Watch:
    """Looks at a claim, and judges whether its holder lives by storage's clock and by ours."""

    def __init__(self, store: Store, uri: str, pace: Pace) -> None:
        self._store, self._uri, self._pace = store, uri, pace
        self.seen: Seen | None = None
        self._since = time.monotonic()

    def holder(self) -> str | None:
        """Who does the work; None where nobody does."""
        seen = look(self._store, self._uri)
        if seen is None or self.seen is None or seen.object != self.seen.object:
            self._since = time.monotonic()
        self.seen = seen
        if seen is None or (seen.claim and seen.claim.released) or self._is_stale():
            return None
        return seen.claim.holder if seen.claim else "somebody"

    def _is_stale(self) -> bool:
        if time.monotonic() - self._since >= self._pace.lease:
            return True
        try:
            return self._store.age(self._uri) >= self._pace.lease
        except BadInput as stopped:
            if stopped.reason is not Reason.OBJECT_NOT_FOUND:
                raise
            return True


class Held:
    """One worker's claim: taken once, renewed until it is released."""

    def __init__(self, store: Store, uri: str, claim: Claim, pace: Pace) -> None:
        self._store, self._uri, self._claim, self._pace = store, uri, claim, pace
        self._last: StoredObject | None = None
        self._over = threading.Event()

    def take(self, over: Seen | None) -> bool:
        """Write the claim over what was seen; False where somebody was quicker."""
        return self._write(over.object if over else None)

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the claim until the end, and then say that the work is over."""
        heart = threading.Thread(target=self._beat, name="claim", daemon=True)
        heart.start()
        try:
            yield
        finally:
            self._over.set()
            heart.join()
            self._claim = self._claim.model_copy(update={"released": True})
            with suppress(Stopped):  # it grows stale by itself
                self._write(self._last)

    def _beat(self) -> None:
        while not self._over.wait(self._pace.beat):
            try:
                if not self._write(self._last):
                    log.warning("%s was taken over: this worker had fallen silent", self._uri)
                    return
            except Stopped as stopped:
                log.warning("the claim could not be renewed: %s", stopped.message)

    def _write(self, over: StoredObject | None) -> bool:
        """Write the claim once more; one that was written although no answer came is ours, too."""
        beat = self._claim.beat + 1
        self._claim = self._claim.model_copy(update={"beat": beat})
        made = self._store.swap_bytes(self._uri, self._claim.model_dump_json().encode(), over=over)
        if made is None:
            seen = look(self._store, self._uri)
            is_ours = seen and seen.claim and seen.claim.token == self._claim.token
            made = seen.object if seen and is_ours else None
        self._last = made or self._last
        return made is not None


def look(store: Store, uri: str) -> Seen | None:
    """The claim at an address; None where there is none."""
    try:
        found = store.stat(uri)
        content = store.read_bytes(uri, limit=LIMIT)
    except BadInput as stopped:
        if stopped.reason is not Reason.OBJECT_NOT_FOUND:
            raise
        return None
    try:
        return Seen(found, Claim.model_validate_json(content))
    except ValidationError:
        return Seen(found, None)


def _token() -> str:
    return secrets.token_hex(8)
