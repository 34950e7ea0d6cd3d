"""Facts: what happened between two statuses, told once; metrics count them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from math import isfinite

from lathe_api.plan import plan_of
from lathe_api.v1alpha1.evaluation import Metric
from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.status import (
    FINISHED,
    ConditionType,
    MetricStatus,
    ModelOptimizationStatus,
)
from lathe_operator.decide import status, times
from lathe_operator.decide.situation import condition
from lathe_operator.facts import AttemptFailed, Ended, Fact, Started, StepDone
from lathe_operator.values import Observed
from lathe_steps.reasons import Reason

HIT = "Hit"
ENGINE = "buildEngine"
"""The step that a target for TensorRT ends with, which no list of steps names."""


def between(seen: Observed, after: ModelOptimizationStatus) -> tuple[Fact, ...]:
    """What has happened when the observed status becomes the next; nothing where they are one."""
    if seen.status == after:
        return ()
    return (*_started(seen, after), *_failed(seen, after), *_ended(seen, after))


def _started(seen: Observed, after: ModelOptimizationStatus) -> Iterator[Started]:
    run, before = after.run, seen.status.run
    if run is None or run.start_time is None:
        return
    if before and before.start_time == run.start_time:
        return  # whichever of its Jobs goes on with it
    since = _waits_since(seen, run.job)
    began = times.parsed(run.start_time)
    yield Started(max(0.0, (began - since).total_seconds()) if since else None)


def _waits_since(seen: Observed, name: str | None) -> datetime | None:
    """When the run could have begun: its Job was there, and nobody held it back any more."""
    created = next((job.created for job in seen.jobs if job.name == name), None)
    held = condition(seen.status, ConditionType.SUSPENDED)
    if created is None or held is None or held.reason != Reason.RESUMED:
        return created
    return max(created, times.parsed(held.last_transition_time))


def _failed(seen: Observed, after: ModelOptimizationStatus) -> Iterator[AttemptFailed]:
    failure = after.last_failure
    if after.phase not in FINISHED and failure and failure != seen.status.last_failure:
        yield AttemptFailed(failure.reason)


def _ended(seen: Observed, after: ModelOptimizationStatus) -> Iterator[Ended]:
    if after.phase not in FINISHED or _end_of(seen.status) == _end_of(after):
        return
    ready, gates = (
        condition(after, kind) for kind in (ConditionType.READY, ConditionType.GATES_PASSED)
    )
    cache = after.run.cache if after.run else None
    known = cache == HIT  # its figures were counted when they were measured
    yield Ended(
        result=str(after.phase),
        reason=ready.reason if ready else "",
        seconds=status.seconds(after),
        hit=None if cache is None else known,
        gates=gates.reason if gates and gates.status == "False" else None,
        steps=() if known else tuple(_steps(seen, after)),
        artifact_bytes=() if known else tuple(each.bytes for each in after.artifacts),
        size_ratios=() if known else tuple(_ratios(after.metrics, Metric.SIZE_BYTES)),
        speedups=() if known else tuple(_ratios(after.metrics, Metric.LATENCY_P50)),
    )


def _end_of(told: ModelOptimizationStatus) -> tuple[object, ...]:
    """Tells one end from another, whatever else of its status is edited afterwards."""
    run = told.run
    about = (run.plan, run.job, run.completion_time) if run else (told.observed_generation,)
    return (told.phase, *about)


def _steps(seen: Observed, after: ModelOptimizationStatus) -> Iterator[StepDone]:
    kinds = _kinds(seen)
    for step in after.steps:
        yield StepDone(kinds.get(step.name, ""), max(0.0, step.seconds), step.cache == HIT)


def _kinds(seen: Observed) -> Mapping[str, str]:
    """The kind of each step by its name: users choose names, and names are no labels."""
    if not isinstance(seen.document, ModelOptimization):
        return {}
    ref = seen.resource.ref
    plan = plan_of(seen.document.spec, namespace=ref.namespace, name=ref.name)
    common = {str(entry.name): entry.kind for entry in plan.steps}
    own = {
        f"{target.name}/{entry.name}": entry.kind
        for target in plan.targets
        for entry in target.steps
    }
    engines = {f"{target.name}/{ENGINE}": ENGINE for target in plan.targets if target.engine}
    return {**common, **own, **engines}


def _ratios(metrics: tuple[MetricStatus, ...], name: Metric) -> Iterator[float]:
    """Input over result: how many times smaller, or faster."""
    for metric in metrics:
        if metric.name is name and metric.output > 0 and metric.input > 0:
            ratio = metric.input / metric.output
            if isfinite(ratio):
                yield ratio
