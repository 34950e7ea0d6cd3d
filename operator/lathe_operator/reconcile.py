"""Reconciling: observe, decide, act. The same for every event, every restart and every fault."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from lathe_operator.act import Refused, act
from lathe_operator.cluster import Cluster
from lathe_operator.decide import decide
from lathe_operator.errors import Gone
from lathe_operator.facts import Fact
from lathe_operator.observe import OwnWrites, View, observe
from lathe_operator.values import Observed, Policy, Ref


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Reconciler:
    """Brings one resource one look further, and says when to look again."""

    def __init__(
        self,
        view: View,
        cluster: Cluster,
        policy: Policy,
        *,
        clock: Callable[[], datetime] = utc_now,
        on_fact: Callable[[Fact], None] = lambda _: None,
    ) -> None:
        """Look at `view`, write to `cluster`, and tell `on_fact` what happened, once it is told."""
        self._view = view
        self._cluster = cluster
        self._policy = policy
        self._clock = clock
        self._on_fact = on_fact
        self._own = OwnWrites()

    async def look(self, ref: Ref) -> timedelta | None:
        """Look at a resource once.

        Raises:
            Failure: When it has to be looked at again.
        """
        now = self._clock()
        if until := self._own.awaited_until(ref, self._view, now):
            return until - now
        seen = observe(ref, self._view, now)
        try:
            return await self._decide_and_act(seen) if seen else None
        except Gone:
            return None

    async def _decide_and_act(self, seen: Observed) -> timedelta | None:
        """Decide and act; what the server refuses is one more thing that was observed."""
        ref = seen.resource.ref
        decision = decide(seen, self._policy)
        note = partial(self._own.note, ref, seen.now)
        try:
            again = await act(ref, decision, self._cluster, note)
        except Refused as refused:
            refusals = (*seen.refusals, refused.refusal)
            return await self._decide_and_act(replace(seen, refusals=refusals))
        for fact in decision.facts:
            self._on_fact(fact)
        return again
