"""How long a run has waited and run, and when it has done either for too long.

Status keeps since when a run has been waiting, running or held back, and how long it had waited
and run by then. That changes only where the run's phase does, with the same write. What was seen
late, because no operator was there, counts from when it happened, where the cluster says when.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from lathe_api.v1alpha1.status import FINISHED, Phase
from lathe_operator.decide import situation, times
from lathe_operator.decide.situation import Look, Situation
from lathe_steps.reasons import Reason


class Pace(Enum):
    """Which time goes by."""

    WAITS = auto()
    RUNS = auto()
    HELD = auto()
    OVER = auto()


PACES = {
    Phase.PENDING: Pace.WAITS,
    Phase.QUEUED: Pace.WAITS,
    Phase.RUNNING: Pace.RUNS,
    Phase.SUSPENDED: Pace.HELD,
    **dict.fromkeys(FINISHED, Pace.OVER),
}


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of a run.

    Attributes:
        pace: Which time goes by.
        since: Since when.
        waited: How long the run had waited for queues and nodes by then.
        active: How long it had run by then.
    """

    pace: Pace
    since: datetime
    waited: timedelta = timedelta(0)
    active: timedelta = timedelta(0)

    def turned(self, pace: Pace, at: datetime) -> "Clock":
        """The clock after another time began to go by."""
        since = max(_whole(at), self.since)
        spent = since - self.since
        if self.pace is Pace.WAITS:
            return replace(self, pace=pace, since=since, waited=self.waited + spent)
        if self.pace is Pace.RUNS:
            return replace(self, pace=pace, since=since, active=self.active + spent)
        return replace(self, pace=pace, since=since)


def of(look: Look, found: Situation) -> Clock:
    """The clock of a run that is there now."""
    clock, pace = _told(look), PACES[found.phase]
    started = _started(look, clock)
    if clock.pace is Pace.WAITS and pace in (Pace.HELD, Pace.OVER) and started:
        clock = clock.turned(Pace.RUNS, started)  # a run so short that nobody was told
    if clock.pace is pace:
        return clock
    return clock.turned(pace, _moment(look, found, clock, started) or look.seen.now)


def _moment(
    look: Look, found: Situation, clock: Clock, started: datetime | None
) -> datetime | None:
    """When the run came to where it is, where the cluster says so."""
    job = look.run.job
    match PACES[found.phase]:
        case Pace.RUNS:
            return started
        case Pace.OVER:
            return found.ended
        case Pace.WAITS if clock.pace is Pace.RUNS and job:
            return job.held
        case _:
            return None


def _told(look: Look) -> Clock:
    """The clock that status tells; of a run that is not told of yet, its first."""
    said, job = look.run.said, look.run.job
    phase = look.seen.status.phase
    if said and said.since and phase:
        return Clock(
            PACES[phase],
            times.parsed(said.since),
            timedelta(seconds=said.waited_seconds),
            timedelta(seconds=said.active_seconds),
        )
    return Clock(Pace.WAITS, _whole(job.created if job else look.seen.now))


def _started(look: Look, clock: Clock) -> datetime | None:
    """When the first worker began since then."""
    starts = [pod.started for pod in look.run.pods if pod.started]
    return min((at for at in starts if at >= clock.since), default=None)


def _whole(time: datetime) -> datetime:
    """The time as far as status can tell it."""
    return time.astimezone(UTC).replace(microsecond=0)


def deadline(look: Look, found: Situation) -> datetime | None:
    """When the run will have waited or run for too long; None while neither time goes by.

    A later stage has its own time: from when it was wanted to its start, and from there on.
    """
    if look.run.since is not None:
        return _of_a_later_stage(look, found, look.run.since)
    clock, policy = of(look, found), look.spec.run
    match clock.pace:
        case Pace.WAITS:
            left = timedelta(seconds=policy.pending_deadline_seconds) - clock.waited
        case Pace.RUNS:
            left = timedelta(seconds=policy.active_deadline_seconds) - clock.active
        case _:
            return None
    return clock.since + left


def _of_a_later_stage(look: Look, found: Situation, wanted: datetime) -> datetime | None:
    policy = look.spec.run
    if PACES[found.phase] in (Pace.HELD, Pace.OVER):
        return None
    if look.began:
        return look.began + timedelta(seconds=policy.active_deadline_seconds)
    since = look.unfinished.created if look.unfinished else wanted
    since = max(since, look.resumed or since)
    return since + timedelta(seconds=policy.pending_deadline_seconds)


def enforced(look: Look, found: Situation) -> Situation:
    """Where the run is, or that its time is over."""
    limit = deadline(look, found)
    if limit is None or look.seen.now < limit:
        return found
    run = look.spec.run
    if found.phase is Phase.RUNNING or (look.run.since and look.began):
        message = f"ran longer than spec.run.activeDeadlineSeconds ({run.active_deadline_seconds})"
        return situation.failed(Reason.DEADLINE_EXCEEDED, message, look.seen.now)
    message = (
        f"waited longer than spec.run.pendingDeadlineSeconds ({run.pending_deadline_seconds}): "
        f"{found.message}"
    )
    return situation.failed(Reason.PENDING_DEADLINE_EXCEEDED, message, look.seen.now)
