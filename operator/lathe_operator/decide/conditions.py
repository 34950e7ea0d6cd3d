"""Conditions: what is said of each aspect of a resource, and the one word that sums them up."""

from collections.abc import Iterator
from datetime import datetime

from lathe_api.v1alpha1.status import Condition, ConditionType, ModelOptimizationStatus, Phase
from lathe_operator.decide import queues
from lathe_operator.decide.situation import UNBROKEN, Situation, condition
from lathe_operator.decide.times import spelled
from lathe_steps.reasons import Reason

STICKY = frozenset({Reason.UNSCHEDULABLE, Reason.IMAGE_PULL_BACK_OFF, Reason.ADMISSION_DENIED})
"""Reasons that come with words that change by themselves: the first words stay."""

NOT_ACCEPTED = frozenset({Reason.INVALID_SPEC, Reason.PROFILE_NOT_FOUND})
"""Why a resource cannot be run as it is."""

Verdict = tuple[ConditionType, str, Reason, str]
"""Type, status, reason and message."""

PASSED = UNBROKEN | {Reason.ROLLED_BACK}
"""What is published passed every gate; when it was rolled back, it is not all that was wanted."""


def of(
    situation: Situation,
    before: ModelOptimizationStatus,
    generation: int,
    now: datetime,
    *,
    has_started: bool = False,
    was_held: bool = False,
) -> tuple[Condition, ...]:
    """All conditions of a resource; a transition time only changes with its status.

    Args:
        situation: Where the run is.
        before: The status as it was.
        generation: Generation of the spec that the conditions speak of.
        now: The time of a transition, if there is one.
        has_started: Whether a worker has run.
        was_held: Whether the run has been held back before.
    """
    verdicts = _verdicts(situation, has_started=has_started, was_held=was_held)
    return tuple(_stamped(verdict, before, generation, now) for verdict in verdicts)


def _verdicts(situation: Situation, *, has_started: bool, was_held: bool) -> Iterator[Verdict]:
    reason, message, phase = situation.reason, situation.message, situation.phase
    valid = reason not in NOT_ACCEPTED
    yield _verdict(ConditionType.ACCEPTED, valid, Reason.VALID if valid else reason, message)
    yield _verdict(
        ConditionType.ADMITTED, has_started, Reason.STARTED if has_started else reason, message
    )
    held = phase is Phase.SUSPENDED
    otherwise = Reason.RESUMED if was_held else Reason.NOT_SUSPENDED
    yield _verdict(ConditionType.SUSPENDED, held, reason if held else otherwise, message)
    yield _gates(situation)
    yield _verdict(ConditionType.COMPLETE, phase is Phase.SUCCEEDED, reason, message)
    failed = phase in (Phase.FAILED, Phase.CANCELLED)
    yield _verdict(ConditionType.FAILED, failed, reason, message)
    # kstatus, which Flux and Argo CD read: https://github.com/kubernetes-sigs/cli-utils
    yield (ConditionType.READY, _word(phase is Phase.SUCCEEDED), reason, message)
    under_way = phase in (Phase.PENDING, Phase.QUEUED, Phase.RUNNING)
    yield _verdict(ConditionType.RECONCILING, under_way, reason, message)
    yield _verdict(ConditionType.STALLED, failed, reason, message)


def _verdict(kind: ConditionType, holds: bool, reason: Reason, message: str) -> Verdict:  # noqa: FBT001 - the verdict itself
    """A condition that is told about where its message matters: where it holds, or bars the way."""
    tells = holds != (kind in (ConditionType.ACCEPTED, ConditionType.ADMITTED))
    return kind, _word(holds), reason, message if tells else ""


def _gates(situation: Situation) -> Verdict:
    outcome = situation.outcome
    gates = outcome.gates if outcome else Reason.NOT_EVALUATED
    said = outcome.gate_message if outcome else ""
    if gates is Reason.NOT_EVALUATED:
        return ConditionType.GATES_PASSED, "Unknown", gates, said
    return ConditionType.GATES_PASSED, _word(gates in PASSED), gates, said


def _word(holds: bool) -> str:  # noqa: FBT001 - the word for it
    return "True" if holds else "False"


def _stamped(
    verdict: Verdict, before: ModelOptimizationStatus, generation: int, now: datetime
) -> Condition:
    kind, status, reason, message = verdict
    since = spelled(now)
    old = condition(before, kind)
    if old and old.status == status:
        since = old.last_transition_time
        same = (old.reason, old.observed_generation) == (reason, generation)
        message = old.message if same and reason in STICKY else message
    return Condition.model_validate(
        {
            "type": kind,
            "status": status,
            "observedGeneration": generation,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }
    )


def phase_of(conditions: tuple[Condition, ...]) -> Phase:
    """The one word for where a resource is; it says nothing that the conditions do not."""
    by_type = {each.type: each for each in conditions}
    complete, failed, suspended, admitted = (
        by_type[kind]
        for kind in (
            ConditionType.COMPLETE,
            ConditionType.FAILED,
            ConditionType.SUSPENDED,
            ConditionType.ADMITTED,
        )
    )
    if complete.status == "True":
        return Phase.SUCCEEDED
    if failed.status == "True":
        return Phase.CANCELLED if failed.reason == Reason.CANCELLED else Phase.FAILED
    if suspended.status == "True":
        return Phase.SUSPENDED
    if admitted.status == "True":
        return Phase.RUNNING
    return Phase.QUEUED if admitted.reason in queues.REASONS else Phase.PENDING
