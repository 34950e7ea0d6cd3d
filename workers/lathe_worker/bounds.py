"""Whether one figure keeps one bound, and how sure that is; see docs/design/0002-gates.md."""

import math
from dataclasses import dataclass, replace

from lathe_api.v1alpha1.evaluation import (
    ERRORS,
    LATENCIES,
    QUALITY,
    SHARES,
    SIZES,
    Gate,
    Metric,
)
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.reasons import Reason
from lathe_worker.measured import Timing

EXACT = 1e-9
"""Differences of shares that are rounding, not a result."""
BY_CLOCK = LATENCIES | {Metric.THROUGHPUT}
"""What the clock on the wall measures, which a busy machine spoils."""

Decision = tuple[Reason | None, str]
"""Why a gate failed, None when it passed; and what was found and is allowed, in one line."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure that is held against a bound, turned so that less is better.

    Attributes:
        value: The figure.
        low: The better end of its 95 % interval; the figure itself where it is exact.
        high: The worse end.
    """

    value: float
    low: float
    high: float

    def beyond(self, limit: float, value: float) -> bool:
        """Whether a value of it is beyond a limit by more than rounding."""
        return value > limit + EXACT * max(1.0, abs(limit))


def decide(gate: Gate, metric: MetricStatus, timing: Timing | None) -> Decision:
    """Hold what was measured against a gate's bound.

    - A figure beyond the limit fails, as AccuracyBelowThreshold, SizeAboveThreshold or
      LatencyAboveThreshold.
    - With confidence UpperBound, so does one whose interval goes beyond the limit.
    - A bound of quality against the input model fails as InsufficientSamples when the interval
      goes beyond the limit and is wider than what may be lost: then passing would be luck. Where
      nothing may be lost, which no number of samples can show, the samples at hand decide.
    - On a busy machine, what the wall's clock measured is decided by CPU time when calls have one
      thread. With more of them the whole interval has to be on one side of the limit, or the gate
      fails as MachineBusy.
    """
    reading, limit = _read(gate, metric)
    said = _said(gate, metric)
    spoilt = metric.name in BY_CLOCK and timing is not None and timing.busy
    single = timing is not None and timing.threads == 1
    if spoilt and single:
        reading, said = _by_cpu(gate, metric, said)
    if gate.confidence == "UpperBound":
        reading = replace(reading, value=reading.high, low=reading.high)
        said = f"{said} at the worse end of the interval"
    elif spoilt and not single:
        return _on_a_busy_machine(reading, limit, said, _failure(metric))
    if reading.beyond(limit, reading.value):
        return _failure(metric), said
    return _unless_luck(gate, metric, reading, limit, said)


def _read(gate: Gate, metric: MetricStatus) -> tuple[Reading, float]:
    """The figure that the gate bounds, and its limit, both turned so that less is better."""
    allowed = _allowed_loss(gate, metric)
    if allowed is not None:
        return _worsening(metric), allowed
    if gate.max is not None:
        return _absolute(metric), gate.max
    if gate.min is not None:
        return _absolute(metric), -gate.min
    if gate.max_ratio is not None:
        return _ratio(metric), gate.max_ratio
    return _ratio(metric), 1 / (gate.min_speedup or math.inf)


def _allowed_loss(gate: Gate, metric: MetricStatus) -> float | None:
    """By how much quality may get worse; None when the bound is about something else."""
    if gate.max_relative_drop is not None:
        return gate.max_relative_drop * abs(metric.input)
    if gate.max_ratio is not None and metric.name in ERRORS:
        return (gate.max_ratio - 1) * metric.input
    return gate.max_rise if gate.max_drop is None else gate.max_drop


def _worsening(metric: MetricStatus) -> Reading:
    change = metric.delta or 0.0
    low = change if metric.low is None else metric.low
    high = change if metric.high is None else metric.high
    if metric.name in ERRORS:
        return Reading(change, low, high)
    return Reading(-change, -high, -low)


def _ratio(metric: MetricStatus) -> Reading:
    """Output over input, or input over output where more is better."""
    if metric.ratio is None:
        return Reading(math.inf, math.inf, math.inf)
    low = metric.ratio if metric.low is None else metric.low
    high = metric.ratio if metric.high is None else metric.high
    if metric.name is Metric.THROUGHPUT:
        return Reading(*(1 / max(each, EXACT) for each in (metric.ratio, high, low)))
    return Reading(metric.ratio, low, high)


def _absolute(metric: MetricStatus) -> Reading:
    """The result's own value; a time is as sure as its ratio is."""
    value = metric.output
    low = high = value
    if metric.name in BY_CLOCK and metric.ratio and metric.low and metric.high:
        low, high = (value * end / metric.ratio for end in (metric.low, metric.high))
    if metric.name in ERRORS or metric.name not in QUALITY | {Metric.THROUGHPUT}:
        return Reading(value, low, high)
    return Reading(-value, -high, -low)


def _failure(metric: MetricStatus) -> Reason:
    if metric.name in QUALITY:
        return Reason.ACCURACY_BELOW_THRESHOLD
    return Reason.SIZE_ABOVE_THRESHOLD if metric.name in SIZES else Reason.LATENCY_ABOVE_THRESHOLD


def _on_a_busy_machine(reading: Reading, limit: float, said: str, failure: Reason) -> Decision:
    """Several threads on a busy machine: neither clock says how long a call takes."""
    if reading.beyond(limit, reading.low):
        return failure, said
    if not reading.beyond(limit, reading.high):
        return None, said
    advice = "the machine is busy, and the interval is on both sides of the limit"
    remedy = "run again when it is idle, or time calls with evaluation.latency.threads: 1"
    return Reason.MACHINE_BUSY, f"{said}: {advice}; {remedy}"


def _by_cpu(gate: Gate, metric: MetricStatus, said: str) -> tuple[Reading, str]:
    """The same figure by CPU time."""
    if metric.cpu_ratio is None or metric.cpu_output is None:
        return _read(gate, metric)[0], said
    by_cpu = metric.model_copy(update={"ratio": metric.cpu_ratio, "output": metric.cpu_output})
    if metric.ratio != metric.cpu_ratio:
        by_cpu = by_cpu.model_copy(update={"low": None, "high": None})  # they are the clock's
    said = f"{_said(gate, by_cpu)} (by CPU time, since the machine is busy)"
    return _read(gate, by_cpu)[0], said


def _unless_luck(
    gate: Gate, metric: MetricStatus, reading: Reading, limit: float, said: str
) -> Decision:
    if not _allowed_loss(gate, metric) or limit < 0:
        return None, said
    width = reading.high - reading.low
    if not (reading.beyond(limit, reading.high) and reading.beyond(limit, width)):
        return None, said
    needed = _needed(metric.samples or 0, reading, limit)
    advice = f"{metric.samples} samples cannot tell; evaluate on about {needed}"
    return Reason.INSUFFICIENT_SAMPLES, f"{said}: {advice}"


def _needed(samples: int, reading: Reading, limit: float) -> int:
    """About how many samples decide, if the loss stays as it is: the error shrinks as 1/√n."""
    loss, low, high = reading.value, reading.low, reading.high
    by_width = ((high - low) / limit) ** 2
    by_bound = ((high - loss) / (limit - loss)) ** 2 if loss < limit - EXACT else math.inf
    digits: int = 10 ** max(len(str(samples)) - 1, 1)
    return math.ceil(samples * min(by_width, by_bound) / digits) * digits


def _said(gate: Gate, metric: MetricStatus) -> str:
    """What was found, and what is allowed."""
    where = f"{metric.name} on {metric.target}"
    if gate.max is not None:
        return f"{where} is {_spelled(metric)}, max allows {gate.max:,.15g}"
    if gate.min is not None:
        return f"{where} is {_spelled(metric)}, min asks for {gate.min:,.15g}"
    if metric.name in QUALITY:
        return f"{where} {_change(metric)}, {_allowed(gate, metric)}"
    ratio = math.inf if metric.ratio is None else metric.ratio
    if gate.max_ratio is not None:
        return f"{where} is {ratio:.3g} of the input model's, maxRatio allows {gate.max_ratio:g}"
    speed = ratio if metric.name is Metric.THROUGHPUT else 1 / ratio
    said = f"{where} is {speed:.3g}x as fast as the input model"
    return f"{said}, minSpeedup asks for {gate.min_speedup or 0.0:g}x"


def _spelled(metric: MetricStatus) -> str:
    """The result's value: what is exact, whole."""
    return f"{metric.output:,.{15 if metric.name in SIZES else 4}g}"


def _change(metric: MetricStatus) -> str:
    change = metric.delta or 0.0
    low = change if metric.low is None else metric.low
    high = change if metric.high is None else metric.high
    if metric.name in SHARES:
        return f"{points(change)}pp (95% interval {points(low)} to {points(high)}pp)"
    return f"{change:+.3g} (95% interval {low:+.3g} to {high:+.3g})"


def _allowed(gate: Gate, metric: MetricStatus) -> str:
    if gate.max_drop is not None:
        pp = metric.name in SHARES
        said = f"{points(-gate.max_drop)}pp" if pp else f"{-gate.max_drop:g}"
        return f"maxDrop allows {said}"
    if gate.max_relative_drop is not None:
        share = 100 * gate.max_relative_drop
        return f"maxRelativeDrop allows {share:g}% of the input model's {metric.input:.4g}"
    if gate.max_rise is not None:
        return f"maxRise allows {gate.max_rise:+g}"
    return f"maxRatio allows {gate.max_ratio or 0.0:g} times the input model's {metric.input:.4g}"


def points(change: float) -> str:
    """A change of a share in percentage points: -0.0123 is -1.23."""
    return f"{100 * change:+.2f}" if round(change, 4) else "0.00"
