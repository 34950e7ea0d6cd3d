"""What is to be taken away, and when to look again."""

from collections.abc import Collection
from datetime import datetime, timedelta

from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.status import ConditionType, ModelOptimizationStatus
from lathe_operator.actions import DeleteJob, DeleteResource
from lathe_operator.decide import clocks, times
from lathe_operator.decide.situation import (
    LAST_WORDS,
    Look,
    Situation,
    condition,
)
from lathe_operator.values import Observed
from lathe_steps.reasons import Reason

RETRY = timedelta(seconds=30)
"""How often the server is asked again for what it refused."""


def unfinished_jobs(seen: Observed, keep: Collection[str] = ()) -> tuple[DeleteJob, ...]:
    """Every Job that still works, but those to keep; finished ones go by their own TTL."""
    return tuple(
        DeleteJob(job.name, job.uid)
        for job in seen.jobs
        if job.end is None and not job.deleting and job.name not in keep
    )


def expiry(document: object, status: ModelOptimizationStatus) -> datetime | None:
    """When a resource that has ended is to be deleted; None: never."""
    if not isinstance(document, ModelOptimization):
        return None
    ttl = document.spec.run.ttl_seconds_after_finished
    kinds = (ConditionType.COMPLETE, ConditionType.FAILED)
    ends = [each for kind in kinds if (each := condition(status, kind)) and each.status == "True"]
    if ttl is None or not ends:
        return None
    return times.parsed(ends[0].last_transition_time) + timedelta(seconds=ttl)


def expired(seen: Observed, status: ModelOptimizationStatus) -> tuple[DeleteResource, ...]:
    """The deletion of a resource whose time is over."""
    end = expiry(seen.document, status)
    return (DeleteResource(seen.resource.uid),) if end and seen.now >= end else ()


def until_expiry(seen: Observed, status: ModelOptimizationStatus) -> timedelta | None:
    """How long until a resource that has ended is to be deleted."""
    end = expiry(seen.document, status)
    return max(end - seen.now, timedelta(0)) if end else None


def look_again(look: Look, situation: Situation) -> timedelta | None:
    """When something is to be decided although nothing may have happened by then."""
    moments = [_podless(look, situation), _last_words(look), clocks.deadline(look, situation)]
    times_left = [moment - look.seen.now for moment in moments if moment]
    return max(min(times_left), timedelta(0)) if times_left else None


def _podless(look: Look, situation: Situation) -> datetime | None:
    """When to ask the server (again) why there is no Job, or no pod."""
    if situation.reason in (Reason.ADMISSION_DENIED, Reason.NAME_CONFLICT) or look.is_podless:
        return look.seen.now + RETRY
    return look.podless_at


def _last_words(look: Look) -> datetime | None:
    """When to stop waiting for what the pod of a finished Job said."""
    end = look.run.job.end if look.run.job else None
    return end.time + LAST_WORDS if end else None
