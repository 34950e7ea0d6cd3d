"""The view beside the server: when it is complete, and how a broken watch is found out."""

import asyncio
from datetime import timedelta

import pytest

from lathe_operator.errors import Faulted
from lathe_operator.resync import Comparison, WatchBroken, resync
from lathe_operator.values import Ref, Version
from tests.builders import a_resource
from tests.conformance.cluster import job
from tests.fake_cluster import FakeCluster
from tests.virtual_time import in_virtual_time
from tests.world import BEGIN

A = Ref("team", "a")


class Shown:
    """What the watches show."""

    def __init__(self, *uids: str) -> None:
        self.shown = set(uids)

    def unfinished(self) -> tuple[Ref, ...]:
        return (A,)

    def uids(self) -> frozenset[str]:
        return frozenset(self.shown)


def a_cluster() -> tuple[FakeCluster, set[str]]:
    """A cluster with a resource and a Job, and their uids."""
    cluster = FakeCluster(BEGIN)
    cluster.apply(a_resource().document())
    made = cluster.put("Job", job("team", Version("owner", 1)))
    return cluster, {made["metadata"]["uid"], cluster.one("ModelOptimization")["metadata"]["uid"]}


def test_a_view_that_shows_everything_has_caught_up() -> None:
    cluster, uids = a_cluster()

    in_virtual_time(Comparison(Shown(*uids), cluster, [None]).caught_up())


def test_a_view_catches_up_when_the_last_object_is_shown() -> None:
    cluster, uids = a_cluster()
    shown = Shown()

    async def story() -> float:
        asyncio.get_running_loop().call_later(3, shown.shown.update, uids)
        await Comparison(shown, cluster, [None]).caught_up()
        return asyncio.get_running_loop().time()

    assert 3 <= in_virtual_time(story()) < 4


def test_what_goes_before_it_is_shown_is_not_waited_for() -> None:
    cluster, uids = a_cluster()
    gone = cluster.one("Job")["metadata"]
    shown = Shown(*(uids - {gone["uid"]}))

    async def story() -> None:
        asyncio.get_running_loop().call_later(3, cluster.remove, "Job", gone["name"])
        await asyncio.wait_for(Comparison(shown, cluster, [None]).caught_up(), 60)

    in_virtual_time(story())


def test_only_namespaces_that_are_served_are_compared() -> None:
    cluster, _ = a_cluster()

    in_virtual_time(Comparison(Shown(), cluster, ["other"]).caught_up())


def disagreement(shown: Shown, cluster: FakeCluster) -> frozenset[str]:
    return in_virtual_time(Comparison(shown, cluster, [None]).disagreement())


def test_what_both_know_is_no_disagreement() -> None:
    cluster, uids = a_cluster()

    assert disagreement(Shown(*uids), cluster) == frozenset()


def test_what_only_the_view_knows_and_what_it_does_not_know_is() -> None:
    cluster, uids = a_cluster()
    missed = next(iter(uids))

    assert disagreement(Shown("ghost", *uids), cluster) == {"ghost"}
    assert disagreement(Shown(*(uids - {missed})), cluster) == {missed}


def test_what_is_merely_on_its_way_is_not() -> None:
    cluster, uids = a_cluster()
    shown = Shown("going", *uids)

    async def story() -> frozenset[str]:
        asyncio.get_running_loop().call_later(10, shown.shown.discard, "going")
        return await Comparison(shown, cluster, [None]).disagreement()

    assert in_virtual_time(story()) == frozenset()


def resynced(shown: Shown, cluster: FakeCluster, seconds: float) -> list[Ref]:
    added: list[Ref] = []
    comparison = Comparison(shown, cluster, [None])

    async def story() -> None:
        work = resync(comparison, shown, added.append, every=timedelta(seconds=600))
        await asyncio.wait_for(work, seconds)

    with pytest.raises(TimeoutError):
        in_virtual_time(story())
    return added


def test_now_and_then_everything_open_is_looked_at_again() -> None:
    cluster, uids = a_cluster()

    assert resynced(Shown(*uids), cluster, 1250) == [A, A]


def test_a_broken_watch_ends_the_process() -> None:
    cluster, uids = a_cluster()
    shown = Shown("ghost", *uids)
    comparison = Comparison(shown, cluster, [None])
    work = resync(comparison, shown, lambda _: None, every=timedelta(seconds=600))

    with pytest.raises(WatchBroken):
        in_virtual_time(work)


def test_a_server_that_does_not_answer_breaks_no_watch() -> None:
    cluster, uids = a_cluster()

    async def broken(namespace: str | None) -> frozenset[str]:
        raise Faulted(f"no answer about {namespace}")

    cluster.uids = broken  # type: ignore[method-assign] # a server that does not answer

    assert resynced(Shown("ghost", *uids), cluster, 1250) == []
