"""Leadership: one at a time, whatever clocks, networks and colleagues do."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lathe_operator.errors import Faulted
from lathe_operator.leader import Leadership, LeadershipLost
from lathe_operator.lease import Lease
from lathe_operator.values import Ref
from tests.fake_cluster import FakeCluster, Fault
from tests.virtual_time import in_virtual_time
from tests.world import BEGIN

REF = Ref("lathe-system", "lathe-operator")


def candidate(cluster: FakeCluster, name: str) -> Leadership:
    return Leadership(
        cluster,
        REF,
        name,
        duration=timedelta(seconds=15),
        retry=timedelta(seconds=2),
        clock=lambda: asyncio.get_running_loop().time(),
    )


def told(story: Coroutine[Any, Any, None]) -> None:
    in_virtual_time(story)


async def holder(cluster: FakeCluster) -> str:
    lease = await cluster.get_lease(REF)
    return lease.holder if lease else ""


async def wins(leadership: Leadership, seconds: float) -> bool:
    try:
        await asyncio.wait_for(leadership.acquire(), seconds)
    except TimeoutError:
        return False
    return True


def test_the_first_leads_and_the_second_stands_by() -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        first, second = candidate(cluster, "first"), candidate(cluster, "second")
        assert await wins(first, 1)
        keeping = asyncio.create_task(first.keep())

        assert not await wins(second, 600)

        assert first.is_held
        assert not second.is_held
        assert await holder(cluster) == "first"
        keeping.cancel()

    told(story())


def test_who_gives_it_back_is_followed_at_once() -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        first, second = candidate(cluster, "first"), candidate(cluster, "second")
        await first.acquire()

        await first.release()

        assert await wins(second, 1)
        assert not first.is_held

    told(story())


def test_who_falls_silent_is_followed_when_its_time_is_over_and_not_before() -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        first, second = candidate(cluster, "first"), candidate(cluster, "second")
        await first.acquire()

        assert not await wins(second, 14)
        assert not first.is_held
        assert await wins(second, 4)

        lease = await cluster.get_lease(REF)
        assert lease is not None
        assert (lease.holder, lease.transitions) == ("second", 1)

    told(story())


def test_who_cannot_renew_gives_up_before_anybody_else_may_lead() -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        first = candidate(cluster, "first")
        await first.acquire()

        async def silent(ref: Ref, lease: Lease) -> Lease | None:
            await asyncio.sleep(3600)
            raise Faulted(f"{ref} never heard of {lease}")

        cluster.put_lease = silent  # type: ignore[method-assign] # a server that does not answer
        began = asyncio.get_running_loop().time()
        with pytest.raises(LeadershipLost):
            await first.keep()

        assert asyncio.get_running_loop().time() - began < 15

    told(story())


def test_who_was_asleep_finds_that_it_does_not_lead_any_more() -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        first = candidate(cluster, "first")
        await first.acquire()
        lease = await cluster.get_lease(REF)
        assert lease is not None
        await cluster.put_lease(REF, replace(lease, holder="second"))

        with pytest.raises(LeadershipLost):
            await first.keep()

        assert await holder(cluster) == "second"

    told(story())


@pytest.mark.parametrize("committed", [False, True], ids=["not done", "done but not answered"])
def test_a_renewal_that_fails_once_costs_nothing(*, committed: bool) -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        first, second = candidate(cluster, "first"), candidate(cluster, "second")
        await first.acquire()
        cluster.fault = Fault(len(cluster.writes) + 2, committed)
        keeping = asyncio.create_task(first.keep())

        assert not await wins(second, 60)

        assert first.is_held
        keeping.cancel()

    told(story())


def test_who_comes_first_after_a_fault_leads_all_the_same() -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        cluster.fault = Fault(1, committed=False)

        assert await wins(candidate(cluster, "first"), 10)

    told(story())


def test_an_answer_that_took_long_makes_no_lease_longer() -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        first = candidate(cluster, "first")
        at_once = cluster.put_lease

        async def slow(ref: Ref, lease: Lease) -> Lease | None:
            put = await at_once(ref, lease)
            await asyncio.sleep(11)
            return put

        cluster.put_lease = slow  # type: ignore[method-assign] # a server that is slow
        await first.acquire()

        assert not first.is_held

    told(story())


def test_a_clock_that_is_wrong_elsewhere_changes_nothing() -> None:
    async def story() -> None:
        cluster = FakeCluster(BEGIN)
        await candidate(cluster, "first").acquire()
        lease = await cluster.get_lease(REF)
        assert lease is not None
        yesterday = lease.renewed - timedelta(days=1)
        await cluster.put_lease(REF, replace(lease, renewed=yesterday))

        assert not await wins(candidate(cluster, "second"), 14)

    told(story())
