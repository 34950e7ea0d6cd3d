"""Queues: what Kueue says of a Job that it holds back, in our words before its own."""

from collections.abc import Mapping
from datetime import datetime

from lathe_api.v1alpha1.status import Condition, StageStatus
from lathe_operator.kueue import INADMISSIBLE, PREEMPTED, Workload
from lathe_operator.values import Job, Observed
from lathe_steps.reasons import Reason

Why = tuple[Reason, str]
"""Reason and message."""
Told = Condition | StageStatus
"""What status says of a run, or of one stage of it."""

REASONS = frozenset(
    {
        Reason.WAITING_FOR_QUOTA,
        Reason.WAITING_FOR_ADMISSION_CHECKS,
        Reason.QUEUE_UNAVAILABLE,
        Reason.PREEMPTED,
        Reason.EVICTED,
        Reason.DEACTIVATED,
    }
)
"""Why a run is in a queue."""
RESTLESS = frozenset({Reason.WAITING_FOR_QUOTA, Reason.WAITING_FOR_ADMISSION_CHECKS})
"""Reasons whose words change with everything else in the queue: the first words stay."""


def owns(seen: Observed, job: Job) -> bool:
    """Whether a queue decides when a Job starts, whoever put it there."""
    return job.queued or job.uid in (seen.workloads or {})


def let_go(seen: Observed, job: Job) -> datetime | None:
    """When a queue last let a Job go on, as far as anybody says so."""
    workload = (seen.workloads or {}).get(job.uid)
    return job.started or (workload.admitted if workload else None)


def has_spoken(seen: Observed, job: Job | None) -> bool:
    """Whether there is nothing to wait for before a Job's wait is told of."""
    if seen.workloads is None:
        return True
    return _said(seen.workloads, job) is not None


def why(seen: Observed, job: Job | None, queue: str | None, told: Told | None) -> Why:
    """Why a run waits in a queue.

    Args:
        seen: The look.
        job: The run's Job, if there is one yet.
        queue: The queue that was asked for; None where Kueue took a Job that asked for none.
        told: What status says of the run or the stage, if it speaks of it.
    """
    where = f"in the queue {queue}" if queue else "in Kueue, although it names no queue"
    before = (Reason(told.reason), told.message) if told and told.reason in REASONS else None
    unexplained = Reason.WAITING_FOR_QUOTA, f"waits for quota {where}"
    workload = _said(seen.workloads or {}, job)
    if workload is None:  # a new process may see a Job before its Workload
        return before or unexplained
    found = _why(workload, where)
    is_restless = found[0] in RESTLESS and before != unexplained
    return before if before and before[0] is found[0] and is_restless else found


def _said(workloads: Mapping[str, Workload], job: Job | None) -> Workload | None:
    """The Job's Workload, if Kueue has said anything about it."""
    found = workloads.get(job.uid) if job else None
    spoken = found and (not found.active or found.evicted or found.unreserved or found.checks)
    return found if spoken else None


def _why(workload: Workload, where: str) -> Why:
    evicted, unreserved = workload.evicted, workload.unreserved
    if not workload.active:
        words = f": {evicted.message}" if evicted else ""
        message = (
            f"taken out of Kueue{words}; an administrator lets it in again by spec.active of the "
            f"Workload {workload.name}"
        )
        return Reason.DEACTIVATED, message
    if evicted and evicted.reason == PREEMPTED:
        return Reason.PREEMPTED, f"preempted, waits again {where}: {evicted.message}"
    if evicted:
        return Reason.EVICTED, f"evicted, waits again {where}: {evicted.message}"
    if unreserved and unreserved.reason == INADMISSIBLE:
        return Reason.QUEUE_UNAVAILABLE, f"waits {where}: {unreserved.message}"
    if unreserved:
        return Reason.WAITING_FOR_QUOTA, f"waits for quota {where}: {unreserved.message}"
    checks = "; ".join(f"{check.reason}: {check.message}" for check in workload.checks)
    return Reason.WAITING_FOR_ADMISSION_CHECKS, f"has quota, waits {where} for checks: {checks}"
