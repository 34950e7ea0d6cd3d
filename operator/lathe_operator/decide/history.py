"""The last runs, remembered in status when they end: no write is made for them alone."""

from lathe_api.v1alpha1.status import (
    FINISHED,
    HISTORY,
    ConditionType,
    ModelOptimizationStatus,
    PastRun,
    Phase,
)
from lathe_operator.decide.situation import condition
from lathe_operator.decide.times import spelled
from lathe_operator.values import Observed
from lathe_steps.reasons import Reason


def with_history(
    seen: Observed, after: ModelOptimizationStatus, *, goes_on: bool
) -> ModelOptimizationStatus:
    """The next status, which remembers what ended with it.

    Args:
        seen: What was observed, the status as it was included.
        after: The next status, whose history is not set yet.
        goes_on: Whether it speaks of the run that the status as it was speaks of.
    """
    ended = () if goes_on else _superseded(seen)
    last = _ended(after)
    return after.model_copy(update={"history": (*last, *ended, *seen.status.history)[:HISTORY]})


def _ended(after: ModelOptimizationStatus) -> tuple[PastRun, ...]:
    """The run that ends with this status."""
    ready, run, phase = condition(after, ConditionType.READY), after.run, after.phase
    if phase not in FINISHED or run is None or ready is None:
        return ()
    return (
        PastRun(
            key=run.key,
            phase=phase,
            reason=ready.reason,
            restart=run.restart,
            start_time=run.start_time,
            completion_time=run.completion_time,
            manifest_uri=after.manifest_uri,
        ),
    )


def _superseded(seen: Observed) -> tuple[PastRun, ...]:
    """The run that worked when something else was asked for; one that never started is no run."""
    run, phase = seen.status.run, seen.status.phase
    if run is None or run.start_time is None or phase in FINISHED:
        return ()
    return (
        PastRun(
            phase=Phase.CANCELLED,
            reason=Reason.SUPERSEDED,
            restart=run.restart,
            start_time=run.start_time,
            completion_time=spelled(seen.now),
        ),
    )
