"""Going back to what a step before had made, where the last result failed its gates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lathe_api.v1alpha1.evaluation import Evaluation
from lathe_api.v1alpha1.status import MetricStatus, clip
from lathe_steps.reasons import Reason
from lathe_worker.chain import Stop
from lathe_worker.gates import Verdict, judge
from lathe_worker.measured import Measured

MeasureAt = Callable[[str, Stop], Measured]
"""Measures, for one target, what a step had made, on all samples."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is published, and why.

    Attributes:
        verdict: Whether it is good enough.
        measured: What was measured of it.
        stops: For targets that went back, the step whose graph is published.
    """

    verdict: Verdict
    measured: Measured | None
    stops: Mapping[str, Stop] = field(default_factory=dict)


def settle(
    evaluation: Evaluation,
    measured: Measured,
    ways: Mapping[str, Sequence[Stop]],
    measure_at: MeasureAt,
) -> Result:
    """Judge what came out; with onFailure Rollback, go back on each target that failed.

    The newest step counts whose graph passes every gate of the target. Where there is none on one
    of the targets, nothing goes back, and the verdict is that on the results.

    Args:
        evaluation: What is asked for.
        measured: What was measured of the results.
        ways: By target, the steps that one may go back to, in order.
        measure_at: Measures what a step had made.
    """
    verdict = judge(evaluation, measured)
    failed = dict.fromkeys(result.target for result in verdict.results if not result.passed)
    if verdict.passed or evaluation.on_failure != "Rollback" or None in failed:
        return Result(verdict, measured)
    found = measured
    stops: dict[str, Stop] = {}
    for target in filter(None, failed):
        back = _newest_good(evaluation, target, ways.get(target, ()), measure_at)
        if back is None:
            said = clip(f"nothing to go back to passes on {target}: {verdict.message}")
            return Result(verdict.model_copy(update={"message": said}), measured)
        stops[target], at = back
        found = found.model_copy(update={"metrics": (*_others(found, target), *at.metrics)})
    found = _in_order(measured, found)
    return Result(_rolled_back(evaluation, verdict, found, stops), found, stops)


def _newest_good(
    evaluation: Evaluation, target: str, way: Sequence[Stop], measure_at: MeasureAt
) -> tuple[Stop, Measured] | None:
    own = tuple(gate for gate in evaluation.gates if gate.target in {None, target})
    for stop in reversed(way):
        found = measure_at(target, stop)
        if judge(evaluation.model_copy(update={"gates": own}), found).passed:
            return stop, found
    return None


def _others(measured: Measured, target: str) -> Iterable[MetricStatus]:
    return (metric for metric in measured.metrics if metric.target != target)


def _in_order(measured: Measured, found: Measured) -> Measured:
    """What was found, by target as it was at first."""
    order = list(dict.fromkeys(metric.target for metric in measured.metrics))
    metrics = sorted(found.metrics, key=lambda metric: order.index(metric.target))
    return found.model_copy(update={"metrics": tuple(metrics)})


def _rolled_back(
    evaluation: Evaluation, verdict: Verdict, found: Measured, stops: Mapping[str, Stop]
) -> Verdict:
    """The verdict on what is published, which says what failed."""
    why = {
        target: "; ".join(
            result.message
            for result in verdict.results
            if result.target == target and not result.passed
        )
        for target in stops
    }
    said = "; ".join(f"{t} to what {stop.step} made, since {why[t]}" for t, stop in stops.items())
    good = judge(evaluation, found)
    return good.model_copy(
        update={"reason": Reason.ROLLED_BACK, "message": clip(f"rolled back: {said}")}
    )
