"""Which time counts for which deadline: property-tested against a reckoning of its own."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lathe_api.v1alpha1.status import Phase
from lathe_operator.decide.names import QUEUE
from tests import kubelet
from tests.builders import a_resource
from tests.world import World, a_running_world

PENDING, ACTIVE = 120, 150


def policy(**changes: Any) -> dict[str, Any]:
    return {"pendingDeadlineSeconds": PENDING, "activeDeadlineSeconds": ACTIVE, **changes}


@dataclass
class Reckoning:
    """A run's time, as somebody with a stopwatch would take it down."""

    pace: str = "waits"
    waited: int = 0
    active: int = 0

    def pass_time(self, seconds: int) -> None:
        self.waited += seconds if self.pace == "waits" else 0
        self.active += seconds if self.pace == "runs" else 0

    @property
    def left(self) -> int:
        """Seconds until a deadline; many while none comes nearer."""
        return {"waits": PENDING - self.waited, "runs": ACTIVE - self.active}.get(self.pace, 10**6)

    @property
    def end(self) -> tuple[str, str] | None:
        """How the run has ended by now, if it has."""
        if self.left > 0:
            return None
        waits = self.pace == "waits"
        return ("Failed", "PendingDeadlineExceeded" if waits else "DeadlineExceeded")


class Life:
    """A run to which things happen, and a stopwatch beside it."""

    def __init__(self, *, queued: bool) -> None:
        queue = {"queueName": "team"} if queued else {}
        self.world = World(a_resource().with_(run=policy(), scheduling=queue))
        self.time = Reckoning()
        self.pods = 0

    @property
    def now(self) -> str:
        return self.world.cluster.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def hold_job(self, *, held: bool) -> None:
        """Hold the Job back or let it go on, as a queue and then its controller do."""
        job = self.world.job
        word = "True" if held else "False"
        condition = {"type": "Suspended", "status": word, "lastTransitionTime": self.now}
        spec = {**job["spec"], "suspend": held}
        self.world.cluster.put("Job", {**job, "spec": spec, "status": {"conditions": [condition]}})

    def end_pods(self) -> None:
        for pod in self.world.cluster.all("Pod"):
            self.world.cluster.remove("Pod", pod["metadata"]["name"])

    # what may happen; each says whether it could

    def start(self) -> bool:
        if self.time.pace != "waits":
            return False
        if self.world.job["spec"]["suspend"]:
            self.hold_job(held=False)
        self.end_pods()
        self.pods += 1
        self.world.start_pod(str(self.pods))
        self.time.pace = "runs"
        return True

    def preempt(self) -> bool:
        if self.time.pace != "runs" or QUEUE not in self.world.job["metadata"]["labels"]:
            return False
        self.hold_job(held=True)
        self.end_pods()
        self.time.pace = "waits"
        return True

    def suspend(self) -> bool:
        if self.time.pace == "held":
            return False
        self.world.edit(run=policy(suspend=True))
        self.time.pace = "held"
        return True

    def resume(self) -> bool:
        if self.time.pace != "held":
            return False
        self.end_pods()
        self.world.edit(run=policy())
        self.time.pace = "waits"
        return True

    def restart_the_operator(self) -> bool:
        self.world.restart_operator()
        return True

    async def pass_time(self, seconds: int) -> bool:
        """Let time go by with somebody looking; says whether the run has ended."""
        step = min(seconds, max(self.time.left, 0))
        self.time.pass_time(step)
        await self.world.pass_time(step)
        failed = self.world.status.phase is Phase.FAILED
        assert (self.world.told if failed else None) == self.time.end
        return self.time.end is not None


SEEN_LATE = ("start", "preempt")
"""What the cluster says the time of, so that it counts however late it is seen."""
HAPPENINGS = (*SEEN_LATE, "suspend", "resume", "restart_the_operator")


@given(
    queued=st.booleans(),
    story=st.lists(
        st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 90), st.integers(0, 30)), max_size=14
    ),
)
@settings(max_examples=30, deadline=None)
def test_each_deadline_counts_its_own_time_whatever_happens_and_however_late_it_is_seen(
    *, queued: bool, story: list[tuple[str, int, int]]
) -> None:
    async def live() -> None:
        life = Life(queued=queued)
        await life.world.settle()
        for happening, before, late in story:
            if await life.pass_time(before):
                return
            happened = getattr(life, happening)()
            unseen = late if happened and happening in SEEN_LATE else 0
            if await life.pass_time(unseen):
                return

    asyncio.run(live())


async def test_running_time_before_a_suspension_counts() -> None:
    world = await a_running_world(a_resource().with_(run=policy()))
    await world.pass_time(100)
    world.edit(run=policy(suspend=True))
    await world.settle()
    world.cluster.remove("Pod", world.cluster.one("Pod")["metadata"]["name"])
    await world.pass_time(10_000)
    world.edit(run=policy())
    await world.settle()

    world.start_pod("b")
    await world.pass_time(49)
    assert world.told == ("Running", "InProgress")
    await world.pass_time(1)

    assert world.told == ("Failed", "DeadlineExceeded")


async def test_a_longer_deadline_takes_effect_while_time_goes_by() -> None:
    world = await a_running_world(a_resource().with_(run=policy()))
    await world.pass_time(100)

    world.edit(run=policy(activeDeadlineSeconds=300))
    await world.pass_time(199)
    assert world.told == ("Running", "InProgress")
    await world.pass_time(1)

    assert world.told == ("Failed", "DeadlineExceeded")


async def test_who_waited_too_long_is_told_what_for() -> None:
    world = World(a_resource().with_(run=policy()))
    await world.settle()
    world.start_pod(status=kubelet.unschedulable())
    await world.settle()

    await world.pass_time(PENDING)

    failure = world.status.last_failure
    assert world.told == ("Failed", "PendingDeadlineExceeded")
    assert failure is not None
    assert "Insufficient gpu" in failure.message


async def test_time_goes_by_without_a_write() -> None:
    world = await a_running_world(a_resource().with_(run=policy()))
    before = len(world.cluster.writes)

    for _ in range(5):
        await world.pass_time(20)

    assert len(world.cluster.writes) == before


@pytest.mark.parametrize("told", [True, False], ids=["told of", "too short to be told of"])
async def test_the_running_time_is_what_users_read(*, told: bool) -> None:
    world = World(a_resource().with_(run=policy()))
    await world.settle()
    await world.pass_time(30)
    world.start_pod()
    if told:
        await world.settle()

    world.cluster.now += kubelet.MINUTE
    world.end(0, kubelet.success())
    await world.settle()

    run, summary = world.status.run, world.status.summary
    assert run is not None
    assert summary is not None
    assert (run.waited_seconds, run.active_seconds, summary.duration) == (30, 60, "1m")
