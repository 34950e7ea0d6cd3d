"""The resync: what the watches missed is found out, and what is open is looked at again."""

import asyncio
from datetime import timedelta

import pytest

from lathe_operator.errors import Faulted
from lathe_operator.resync import WatchBroken, ghosts, resync
from lathe_operator.values import Ref, Version
from tests.conformance.cluster import job
from tests.fake_cluster import FakeCluster
from tests.virtual_time import in_virtual_time
from tests.world import BEGIN

A, B = Ref("team", "a"), Ref("team", "b")
SETTLE = timedelta(seconds=30)


class Shown:
    """What the watches show."""

    def __init__(self, *uids: str) -> None:
        self.uids = set(uids)

    def refs(self, *, unfinished: bool) -> tuple[Ref, ...]:
        return (A,) if unfinished else (A, B)

    def job_uids(self) -> frozenset[str]:
        return frozenset(self.uids)


def a_cluster() -> tuple[FakeCluster, str]:
    cluster = FakeCluster(BEGIN)
    made = cluster.put("Job", job("team", Version("owner", 1)))
    return cluster, made["metadata"]["uid"]


def found(shown: Shown, cluster: FakeCluster, namespace: str | None = None) -> frozenset[str]:
    return in_virtual_time(ghosts(shown, cluster, [namespace], settle=SETTLE))


def test_what_the_server_knows_is_no_ghost() -> None:
    cluster, uid = a_cluster()

    assert found(Shown(uid), cluster) == frozenset()
    assert found(Shown(), cluster) == frozenset()


def test_what_only_the_watch_shows_is_a_ghost() -> None:
    cluster, uid = a_cluster()

    assert found(Shown(uid, "ghost"), cluster) == {"ghost"}


def test_what_goes_while_we_compare_was_never_a_ghost() -> None:
    cluster, _ = a_cluster()
    shown = Shown("going")

    async def story() -> frozenset[str]:
        asyncio.get_running_loop().call_later(10, shown.uids.discard, "going")
        return await ghosts(shown, cluster, [None], settle=SETTLE)

    assert in_virtual_time(story()) == frozenset()


def test_every_namespace_that_is_served_is_compared() -> None:
    cluster, uid = a_cluster()

    assert found(Shown(uid), cluster, "team") == frozenset()
    assert found(Shown(uid), cluster, "other") == {uid}


def resynced(shown: Shown, cluster: FakeCluster, seconds: float) -> list[Ref]:
    added: list[Ref] = []

    async def story() -> None:
        every = timedelta(seconds=600)
        work = resync(shown, cluster, added.append, namespaces=[None], every=every)
        await asyncio.wait_for(work, seconds)

    with pytest.raises(TimeoutError):
        in_virtual_time(story())
    return added


def test_now_and_then_everything_open_is_looked_at_again() -> None:
    cluster, uid = a_cluster()

    assert resynced(Shown(uid), cluster, 1250) == [A, A]


def test_a_broken_watch_ends_the_process() -> None:
    cluster, _ = a_cluster()
    every = timedelta(seconds=600)
    work = resync(Shown("ghost"), cluster, lambda _: None, namespaces=[None], every=every)

    with pytest.raises(WatchBroken):
        in_virtual_time(work)


def test_a_server_that_does_not_answer_breaks_no_watch() -> None:
    cluster, _ = a_cluster()

    async def broken(namespace: str | None) -> frozenset[str]:
        raise Faulted(f"no answer about {namespace}")

    cluster.job_uids = broken  # type: ignore[method-assign] # a server that does not answer

    assert resynced(Shown("ghost"), cluster, 1250) == []
