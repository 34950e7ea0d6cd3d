"""Counting what happened: from the facts of decisions to metrics."""

from collections.abc import Iterable

from prometheus_client import Histogram, disable_created_metrics

from lathe_api.v1alpha1.status import Phase
from lathe_operator import metrics
from lathe_operator.facts import AttemptFailed, Ended, Fact, Started, StepDone
from lathe_steps.reasons import Reason

BLAMELESS = (
    Reason.BACKOFF_LIMIT_EXCEEDED,
    Reason.DISK_FULL,
    Reason.INTERNAL_ERROR,
    Reason.INTERRUPTED,
    Reason.JOB_FAILED,
    Reason.OUT_OF_MEMORY,
    Reason.PENDING_DEADLINE_EXCEEDED,
    Reason.STORAGE_UNAVAILABLE,
)
"""Ends for which the model, the data and the spec are not to blame, but where it ran."""


def begin(version: str) -> None:
    """Say which version this is, and have those series begin at zero that alerts watch.

    Prometheus sees no increase where a series begins with one. When each series began, it can tell
    from the process's start: that would be a third more of them.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call] # the client's own
    metrics.BUILD.labels(version).set(1)
    metrics.RUNS.labels(Phase.SUCCEEDED, Reason.SUCCEEDED)
    for reason in BLAMELESS:
        metrics.RUNS.labels(Phase.FAILED, reason)
        metrics.ATTEMPTS_FAILED.labels(reason)
    for failure in ("Faulted", "Rejected", "defect"):
        metrics.LOOK_ERRORS.labels(failure)


def count(fact: Fact) -> None:
    """Count a fact."""
    match fact:
        case Started(waited):
            _observe(metrics.WAIT_SECONDS, () if waited is None else (waited,))
        case AttemptFailed(reason):
            metrics.ATTEMPTS_FAILED.labels(reason).inc()
        case Ended():
            _count_end(fact)


def _count_end(ended: Ended) -> None:
    metrics.RUNS.labels(ended.result, ended.reason).inc()
    if ended.seconds is not None:
        metrics.RUN_SECONDS.labels(ended.result).observe(ended.seconds)
    if ended.hit is not None:
        _count_request("run", hit=ended.hit)
    if ended.gates is not None:
        metrics.GATE_FAILURES.labels(ended.gates).inc()
    for step in ended.steps:
        _count_step(step)
    _observe(metrics.ARTIFACT_BYTES, ended.artifact_bytes)
    _observe(metrics.COMPRESSION_RATIO, ended.size_ratios)
    _observe(metrics.SPEEDUP_RATIO, ended.speedups)


def _count_step(step: StepDone) -> None:
    _count_request("step", hit=step.hit)
    if step.kind and not step.hit:
        metrics.STEP_SECONDS.labels(step.kind).observe(step.seconds)


def _count_request(of: str, *, hit: bool) -> None:
    metrics.CACHE_REQUESTS.labels(of, "hit" if hit else "miss").inc()


def _observe(histogram: Histogram, values: Iterable[float]) -> None:
    for value in values:
        histogram.observe(value)
