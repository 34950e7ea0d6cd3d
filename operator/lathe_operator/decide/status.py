"""Status: one pure function of what was observed, built whole."""

from datetime import timedelta
from typing import Any

from lathe_api.plan import DEFAULT_TARGET
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.status import (
    Condition,
    ConditionType,
    Failure,
    ModelOptimizationStatus,
    Phase,
    Run,
    Summary,
    TargetStatus,
    clip,
)
from lathe_api.validation import Invalid
from lathe_operator.decide import clocks, conditions, times
from lathe_operator.decide.history import with_history
from lathe_operator.decide.situation import Look, Situation, condition
from lathe_operator.profiles import Taken
from lathe_operator.values import Job, Manifest, Observed
from lathe_steps.reasons import Reason

WORD = 253
"""Characters of a word in status."""


def of(look: Look, situation: Situation, *, has_job: bool) -> ModelOptimizationStatus:
    """The status of a run.

    Args:
        look: What was looked at.
        situation: Where the run is.
        has_job: Whether its Job exists, or will when this is written.
    """
    outcome = situation.outcome
    seen, run = look.seen, _run(look, situation, has_job=has_job)
    found = conditions.of(
        situation,
        seen.status,
        seen.resource.generation,
        seen.now,
        has_started=_has_started(look, situation),
        was_held=_was_held(look),
    )
    told = ModelOptimizationStatus(
        observed_generation=seen.resource.generation,
        phase=conditions.phase_of(found),
        conditions=tuple(_warned(each, seen.taken) for each in found),
        run=run,
        steps=outcome.steps if outcome else (),
        targets=situation.targets or _targets(look, situation),
        artifacts=outcome.artifacts if outcome else (),
        metrics=outcome.metrics if outcome else (),
        manifest_uri=outcome.manifest_uri if outcome else None,
        report_uri=outcome.report_uri if outcome else None,
        last_failure=situation.failure,
        summary=_summary(look.spec, situation, run),
    )
    return with_history(seen, told, goes_on=look.run.said is not None)


def refused(seen: Observed, invalid: Invalid) -> ModelOptimizationStatus:
    """The status of a resource that cannot be run as it is: it speaks of no run at all."""
    waits = invalid.reason is Reason.PROFILE_NOT_FOUND
    phase = Phase.PENDING if waits else Phase.FAILED
    situation = Situation(phase, invalid.reason, str(invalid))
    found = conditions.of(situation, seen.status, seen.resource.generation, seen.now)
    (failed,) = [each for each in found if each.type == ConditionType.FAILED]
    failure = Failure(
        reason=situation.reason, message=situation.message, time=failed.last_transition_time
    )
    told = ModelOptimizationStatus(
        observed_generation=seen.resource.generation,
        phase=conditions.phase_of(found),
        conditions=found,
        last_failure=None if waits else failure,
    )
    return with_history(seen, told, goes_on=False)


def kept(seen: Observed) -> ModelOptimizationStatus:
    """The status of a run that has ended, after an edit of its policy."""
    generation = seen.resource.generation
    told = tuple(
        each.model_copy(update={"observed_generation": generation})
        for each in seen.status.conditions
    )
    return seen.status.model_copy(update={"observed_generation": generation, "conditions": told})


def _warned(told: Condition, taken: Taken | None) -> Condition:
    """What is accepted although its profile should not be used any more says so."""
    if told.type != ConditionType.ACCEPTED or taken is None or not taken.deprecated:
        return told
    return told.model_copy(update={"message": clip(taken.deprecated)})


def _has_started(look: Look, situation: Situation) -> bool:
    """Whether a worker has run: it runs, it left its word, or it had run when the end came."""
    if situation.phase is Phase.RUNNING or situation.outcome is not None:
        return True
    before = condition(look.seen.status, ConditionType.ADMITTED)
    had = look.run.said is not None and before is not None and before.status == "True"
    return situation.is_final and (had or look.began is not None)


def _was_held(look: Look) -> bool:
    before = condition(look.seen.status, ConditionType.SUSPENDED)
    held = before is not None and (before.status == "True" or before.reason == Reason.RESUMED)
    return held and look.run.said is not None


def _run(look: Look, situation: Situation, *, has_job: bool) -> Run:
    said, outcome = look.run.said or Run(), situation.outcome
    began = times.spelled(look.began) if look.began else None
    clock = clocks.of(look, situation)
    return Run(
        key=(outcome.run_key if outcome else None) or said.key,
        plan=look.run.work,
        job=look.run.name if has_job else None,
        stages=situation.stages,
        restart=look.seen.resource.restart or None,
        attempt=max(said.attempt, _attempt(look.run.job) + look.run.lean),
        lean=look.run.lean,
        start_time=said.start_time or began,
        completion_time=times.spelled(situation.ended) if situation.ended else None,
        cache=outcome.cache if outcome else None,
        since=times.spelled(clock.since),
        waited_seconds=int(clock.waited.total_seconds()),
        active_seconds=int(clock.active.total_seconds()),
        cache_source=outcome.cache_source if outcome else None,
        profile=look.seen.taken.profile if look.seen.taken else None,
    )


def lean(look: Look, situation: Situation) -> ModelOptimizationStatus:
    """The status of a run whose next worker needs less memory, and has no Job yet."""
    told = of(look, situation, has_job=False)
    run = told.run.model_copy(update={"lean": True}) if told.run else None
    return told.model_copy(update={"run": run})


def _targets(look: Look, situation: Situation) -> tuple[TargetStatus, ...]:
    """What the only Job of a run said of its targets."""
    told = situation.outcome.targets if situation.outcome else ()
    return tuple(each.model_copy(update={"job": look.run.name}) for each in told)


def _attempt(job: Job | None) -> int:
    """Which pod it is: one more than have failed, unless there will be no other."""
    if job is None:
        return 1
    over = job.failing or (job.end is not None and not job.end.succeeded)
    return max(1, job.failed if over else job.failed + 1)


def _summary(spec: ModelOptimizationSpec, situation: Situation, run: Run) -> Summary:
    """The printer's columns: what it is about at once, what came out at the end."""
    told = situation.outcome.summary if situation.outcome else None
    names = ",".join(target.name for target in spec.targets or (DEFAULT_TARGET,))
    about = Summary(
        model=clip(spec.model.uri.rstrip("/").rpartition("/")[2], WORD),
        targets=clip(names, WORD),
        duration=_duration(run),
    )
    return about.model_copy(
        update=told.model_dump(exclude_none=True, by_alias=False) if told else {}
    )


def _duration(run: Run) -> str | None:
    if run.start_time is None or run.completion_time is None:
        return None
    return times.duration(timedelta(seconds=run.active_seconds))


def seconds(status: ModelOptimizationStatus) -> float | None:
    """How long the run took, from its first pod's start."""
    run = status.run
    if run is None or run.start_time is None or run.completion_time is None:
        return None
    length: timedelta = times.parsed(run.completion_time) - times.parsed(run.start_time)
    return length.total_seconds()


def fields(status: ModelOptimizationStatus) -> Manifest:
    """The merge patch that makes all of our fields what this status says.

    What is not set is null, so that it goes whatever was there. Lists are replaced as wholes, so
    their items leave out what is not set. `progress` is the worker's, and is not named.
    """
    document: dict[str, Any] = status.model_dump(mode="json", exclude={"progress"})
    return {name: _patched(value) for name, value in document.items()}


def _patched(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _patched(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_null(item) for item in value] or None
    return value


def _without_null(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value
