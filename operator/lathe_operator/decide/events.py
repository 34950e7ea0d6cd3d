"""Events: what is worth telling once, when it happens, and never again."""

from collections.abc import Iterator
from datetime import UTC, datetime

from lathe_api.v1alpha1.resource import API_VERSION, KIND
from lathe_api.v1alpha1.status import FINISHED, ConditionType, ModelOptimizationStatus, Phase
from lathe_operator.actions import PostEvent
from lathe_operator.decide import names
from lathe_operator.decide.situation import condition
from lathe_operator.values import OPERATOR, Observed
from lathe_steps.reasons import Reason

NORMAL = "Normal"
WARNING = "Warning"
MAX_NOTE = 1024
"""Bytes that the API server allows."""

WORTH_TELLING = frozenset(
    {
        Reason.UNSCHEDULABLE,
        Reason.IMAGE_PULL_BACK_OFF,
        Reason.CREATE_CONTAINER_CONFIG_ERROR,
        Reason.ADMISSION_DENIED,
        Reason.NAME_CONFLICT,
        Reason.QUEUE_UNAVAILABLE,
        Reason.PREEMPTED,
        Reason.EVICTED,
        Reason.DEACTIVATED,
        Reason.PROFILE_NOT_FOUND,
    }
)
"""What keeps a run from starting, and needs somebody, or stops one that had started."""

Told = tuple[str, str, str, str]
"""Type, reason, note, and what tells it from its like within one run."""


def between(seen: Observed, after: ModelOptimizationStatus) -> tuple[PostEvent, ...]:
    """The Events that lead from the observed status to the next.

    Their names come from what they tell, so that a second look posts nothing twice.
    """
    job = after.run.job if after.run else None
    about = (seen.resource.uid, job or str(seen.resource.generation))
    return tuple(
        PostEvent(_event(seen, about, told))
        for tells in (_started, _troubled, _parted, _deprecated, _ended)
        for told in tells(seen, after)
    )


def _started(seen: Observed, after: ModelOptimizationStatus) -> Iterator[Told]:
    if after.run is None or after.run.start_time is None:
        return
    before = seen.status.run
    if before is None or (before.plan, before.start_time) != (after.run.plan, after.run.start_time):
        yield NORMAL, Reason.STARTED, f"the worker of Job {after.run.job} has started", ""


def _troubled(seen: Observed, after: ModelOptimizationStatus) -> Iterator[Told]:
    if after.phase in FINISHED:
        return
    admitted, before = (
        condition(status, ConditionType.ADMITTED) for status in (after, seen.status)
    )
    if admitted and admitted.reason in WORTH_TELLING:
        same = before and (before.reason, before.message) == (admitted.reason, admitted.message)
        if not same:
            yield WARNING, admitted.reason, admitted.message, admitted.message
    failure = after.last_failure
    if failure and failure != seen.status.last_failure:
        note = f"attempt failed, another follows: {failure.message}"
        yield WARNING, failure.reason, note, failure.pod or ""


def _parted(seen: Observed, after: ModelOptimizationStatus) -> Iterator[Told]:
    """Targets that failed while others go on."""
    before = {target.name for target in seen.status.targets if target.state == "Failed"}
    if after.phase in FINISHED:
        return
    for target in after.targets:
        if target.state == "Failed" and target.name not in before:
            note = f"target {target.name} failed, the others go on: {target.message}"
            yield WARNING, Reason.TARGET_FAILED, note, target.name


def _deprecated(seen: Observed, after: ModelOptimizationStatus) -> Iterator[Told]:
    accepted, before = (
        condition(status, ConditionType.ACCEPTED) for status in (after, seen.status)
    )
    if accepted is None or accepted.status != "True" or not accepted.message:
        return
    if before is None or before.message != accepted.message:
        yield WARNING, Reason.PROFILE_DEPRECATED, accepted.message, accepted.message


def _ended(seen: Observed, after: ModelOptimizationStatus) -> Iterator[Told]:
    if after.phase not in FINISHED:
        return
    ready, before = (condition(status, ConditionType.READY) for status in (after, seen.status))
    again = before and ready and (before.reason, before.message) == (ready.reason, ready.message)
    if ready is None or (again and seen.status.phase is after.phase and _same_run(seen, after)):
        return
    kind = WARNING if after.phase is Phase.FAILED else NORMAL
    yield kind, ready.reason, ready.message, ready.message


def _same_run(seen: Observed, after: ModelOptimizationStatus) -> bool:
    jobs = [status.run.job if status.run else None for status in (seen.status, after)]
    return jobs[0] == jobs[1]


def of_deletion(seen: Observed, kind: str, reason: str, note: str) -> PostEvent:
    """The Event that tells what became of the results of a deleted resource."""
    return PostEvent(_event(seen, (seen.resource.uid,), (kind, reason, note, "")))


def _event(seen: Observed, about: tuple[str, ...], told: Told) -> dict[str, object]:
    kind, reason, note, detail = told
    ref = seen.resource.ref
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": names.event_name(ref.name, *about, reason, detail),
            "namespace": ref.namespace,
        },
        "eventTime": _microseconds(seen.now),
        "type": kind,
        "reason": str(reason),
        "note": _short(note),
        "action": "Reconcile",
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": ref.name,
            "namespace": ref.namespace,
            "uid": seen.resource.uid,
        },
        "reportingController": f"{names.DOMAIN}/{OPERATOR}",
        "reportingInstance": OPERATOR,
    }


def _microseconds(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _short(note: str) -> str:
    """As much of a note as an Event holds, in bytes."""
    raw = note.encode()
    return note if len(raw) <= MAX_NOTE else raw[: MAX_NOTE - 3].decode(errors="ignore") + "…"
