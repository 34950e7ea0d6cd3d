"""The gates: what was allowed, what was found, and how sure that is."""

from lathe_api.v1alpha1.evaluation import QUALITY, Gate, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_worker.bounds import BY_CLOCK
from lathe_worker.gates import GateResult
from lathe_worker.report.document import Report
from lathe_worker.report.html import Markup, element
from lathe_worker.report.stops import Value
from lathe_worker.report.strips import Bound, strip


def table(report: Report) -> Markup:
    """A row per gate and target."""
    return element(
        "div", *(_row(report, result) for result in report.gates.results), class_="gates"
    )


def _row(report: Report, result: GateResult) -> Markup:
    kind, word = ("pass", "passed") if result.passed else ("fail", "failed")
    reason = None if result.passed else element("small", str(result.failure))
    metric = _metric(report, result)
    timing = report.measured.timing if report.measured else None
    if metric and timing and timing.busy and timing.threads == 1 and metric.name in BY_CLOCK:
        metric = _by_cpu(result.gate, metric)
    return element(
        "div",
        element("span", word, class_=f"badge {kind}"),
        element("p", result.message, reason),
        strip(found(result.gate, metric), bound(result.gate), result.message) if metric else None,
        class_="gate",
    )


def _metric(report: Report, result: GateResult) -> MetricStatus | None:
    measured = report.measured.metrics if report.measured else ()
    place = (result.gate.metric, result.target)
    return next((metric for metric in measured if (metric.name, metric.target) == place), None)


def _by_cpu(gate: Gate, metric: MetricStatus) -> MetricStatus:
    """On a busy machine CPU time decides, see `lathe_worker.bounds`; it has no interval."""
    if gate.confidence == "UpperBound" or metric.cpu_ratio is None or metric.cpu_output is None:
        return metric
    return metric.model_copy(
        update={"output": metric.cpu_output, "ratio": metric.cpu_ratio, "low": None, "high": None}
    )


def bound(gate: Gate) -> Bound:
    """What a gate allows, in the unit of what it looks at."""
    most = {"max_ratio": 1.0, "max_rise": 1.0, "max": 1.0}
    least = {"max_drop": -1.0, "max_relative_drop": -1.0, "min_speedup": 1.0, "min": 1.0}
    for name, sign in (*most.items(), *least.items()):
        limit = getattr(gate, name)
        if limit is not None:
            return Bound(sign * limit, most=name in most)
    raise AssertionError(gate)  # the type allows no gate without a bound


def found(gate: Gate, metric: MetricStatus) -> Value:
    """What a gate looks at, with its 95 % interval: a value, a difference or a ratio."""
    point, low, high = (
        _looked_at(gate, metric, each)
        for each in _ends(metric.delta if metric.name in QUALITY else metric.ratio, metric)
    )
    return Value(point, min(point, low, high), max(point, low, high))


def _ends(point: float | None, metric: MetricStatus) -> tuple[float, float, float]:
    here = point or 0.0
    low = here if metric.low is None else metric.low
    return here, low, here if metric.high is None else metric.high


def _looked_at(gate: Gate, metric: MetricStatus, effect: float) -> float:
    """An effect, which is a difference for quality and a ratio else, as a gate sees it."""
    quality = metric.name in QUALITY
    if gate.max is not None or gate.min is not None:
        return metric.input + effect if quality else metric.input * effect
    if gate.max_ratio is not None and quality:
        return _over(metric.input + effect, metric.input)
    if gate.max_relative_drop is not None:
        return _over(effect, abs(metric.input))
    if gate.min_speedup is not None and metric.name is not Metric.THROUGHPUT:
        return _over(1.0, effect)
    return effect


def _over(figure: float, by: float) -> float:
    return figure / by if by else 0.0
