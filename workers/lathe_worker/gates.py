"""Whether what was measured is good enough; see docs/design/0002-gates.md."""

import math
from collections.abc import Iterator

from lathe_api.v1alpha1.evaluation import Evaluation, Gate, Metric
from lathe_api.v1alpha1.status import MetricStatus, Word, clip
from lathe_steps.base import Parameters
from lathe_steps.reasons import Reason
from lathe_worker.measured import Measured

EXACT = 1e-9
"""Differences of shares that are rounding, not a result."""


class GateResult(Parameters):
    """One gate on one target."""

    gate: Gate
    target: Word | None = None
    """The target; None when the metric was measured on none."""
    failure: Reason | None = None
    """Why it failed; None when it passed."""
    message: str
    """What was found, and what is allowed, in one line."""

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.failure is None


class Verdict(Parameters):
    """All gates on all targets."""

    passed: bool
    """Whether the result may be published as good."""
    reason: Reason
    """AllGatesPassed, NoGates, NotEvaluated, or why the first gate failed."""
    message: str
    """The same for people."""
    results: tuple[GateResult, ...] = ()


def judge(evaluation: Evaluation | None, measured: Measured | None) -> Verdict:
    """Compare what was measured with what is asked for.

    A gate without a target is about every target on which its metric was measured; one that was
    measured nowhere fails as NotEvaluated. A quality gate fails when the drop is larger than the
    limit, and as InsufficientSamples when its 95% interval goes beyond the limit and is wider
    than the limit itself: then the samples cannot tell a drop of that size, and passing would be
    luck. With maxDrop 0, which no number of samples can show, the samples at hand decide. Sizes
    are exact, and times are judged by their median.
    """
    if evaluation is None or measured is None:
        return Verdict(passed=True, reason=Reason.NOT_EVALUATED, message="nothing was evaluated")
    if not evaluation.gates:
        return Verdict(passed=True, reason=Reason.NO_GATES, message="no gates were asked for")
    results = tuple(result for gate in evaluation.gates for result in _results(gate, measured))
    failed = [result for result in results if not result.passed]
    if not failed:
        count = "1 gate" if len(results) == 1 else f"{len(results)} gates"
        said = f"{count} passed on {measured.samples} samples of {measured.dataset}"
        return Verdict(passed=True, reason=Reason.ALL_GATES_PASSED, message=said, results=results)
    said = "; ".join(result.message for result in failed)
    if evaluation.on_failure == "Warn":
        said = f"published all the same (onFailure: Warn): {said}"
    reason = failed[0].failure or Reason.GATE_FAILED
    return Verdict(passed=False, reason=reason, message=clip(said), results=results)


def _results(gate: Gate, measured: Measured) -> Iterator[GateResult]:
    found = [
        metric
        for metric in measured.metrics
        if metric.name is gate.metric and gate.target in {None, metric.target}
    ]
    if not found:
        where = f"on {gate.target}: it is" if gate.target else "on any target: they are"
        yield GateResult(
            gate=gate,
            target=gate.target,
            failure=Reason.NOT_EVALUATED,
            message=f"{gate.metric} could not be measured {where} not run here",
        )
    for metric in found:
        failure, message = _decide(gate, metric)
        yield GateResult(gate=gate, target=metric.target, failure=failure, message=message)


def _decide(gate: Gate, metric: MetricStatus) -> tuple[Reason | None, str]:
    if gate.max_drop is not None:
        return _drop(metric, gate.max_drop)
    if gate.max_ratio is not None:
        return _ratio(metric, gate.max_ratio)
    return _speedup(metric, gate.min_speedup or 0.0)


def _drop(metric: MetricStatus, limit: float) -> tuple[Reason | None, str]:
    change = metric.delta or 0.0
    lowest = change if metric.low is None else metric.low
    highest = change if metric.high is None else metric.high
    said = (
        f"{metric.name} on {metric.target} {points(change)}pp "
        f"(95% interval {points(lowest)} to {points(highest)}pp), "
        f"maxDrop allows {points(-limit)}pp"
    )
    drop, low, high = -change, -highest, -lowest
    if drop > limit + EXACT:
        return Reason.ACCURACY_BELOW_THRESHOLD, said
    if limit > 0 and high > limit + EXACT and high - low > limit + EXACT:
        needed = _needed(metric.samples or 0, drop, low, high, limit)
        advice = f": {metric.samples} samples cannot tell; evaluate on about {needed}"
        return Reason.INSUFFICIENT_SAMPLES, said + advice
    return None, said


def _needed(samples: int, drop: float, low: float, high: float, limit: float) -> int:
    """About how many samples decide, if the drop stays as it is: the error shrinks as 1/√n."""
    by_width = ((high - low) / limit) ** 2
    by_bound = ((high - drop) / (limit - drop)) ** 2 if drop < limit - EXACT else math.inf
    digits: int = 10 ** max(len(str(samples)) - 1, 1)
    return math.ceil(samples * min(by_width, by_bound) / digits) * digits


def _ratio(metric: MetricStatus, limit: float) -> tuple[Reason | None, str]:
    ratio = math.inf if metric.ratio is None else metric.ratio
    said = (
        f"{metric.name} on {metric.target} is {ratio:.3g} of the input model's, "
        f"maxRatio allows {limit:g}"
    )
    slow = metric.name is Metric.LATENCY_P50
    failure = Reason.LATENCY_ABOVE_THRESHOLD if slow else Reason.SIZE_ABOVE_THRESHOLD
    return (failure if ratio > limit + EXACT else None), said


def _speedup(metric: MetricStatus, limit: float) -> tuple[Reason | None, str]:
    ratio = math.inf if metric.ratio is None else metric.ratio
    said = (
        f"{metric.name} on {metric.target} is {1 / ratio:.3g}x as fast as the input model, "
        f"minSpeedup asks for {limit:g}x"
    )
    return (Reason.LATENCY_ABOVE_THRESHOLD if 1 / ratio < limit - EXACT else None), said


def points(change: float) -> str:
    """A change of a share in percentage points: -0.0123 is -1.23."""
    return f"{100 * change:+.2f}" if round(change, 4) else "0.00"
