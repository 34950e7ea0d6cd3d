"""The gates: what was allowed, what was found, and how sure that is."""

from lathe_api.v1alpha1.status import MetricStatus
from lathe_worker.gates import GateResult
from lathe_worker.report.document import Report
from lathe_worker.report.html import Markup, element
from lathe_worker.report.strips import strip


def table(report: Report) -> Markup:
    """A row per gate and target."""
    return element(
        "div", *(_row(report, result) for result in report.gates.results), class_="gates"
    )


def _row(report: Report, result: GateResult) -> Markup:
    kind, word = ("pass", "passed") if result.passed else ("fail", "failed")
    reason = None if result.passed else element("small", str(result.failure))
    metric = _metric(report, result)
    return element(
        "div",
        element("span", word, class_=f"badge {kind}"),
        element("p", result.message, reason),
        _strip(result, metric) if metric else None,
        class_="gate",
    )


def _metric(report: Report, result: GateResult) -> MetricStatus | None:
    found = report.measured.metrics if report.measured else ()
    place = (result.gate.metric, result.target)
    return next((metric for metric in found if (metric.name, metric.target) == place), None)


def _strip(result: GateResult, metric: MetricStatus) -> Markup:
    gate = result.gate
    if gate.max_drop is not None:
        change = metric.delta or 0.0
        return strip(
            point=change,
            low=change if metric.low is None else metric.low,
            high=change if metric.high is None else metric.high,
            limit=-gate.max_drop,
            most=False,
            said=result.message,
        )
    ratio = metric.ratio or 0.0
    low, high = metric.low or ratio, metric.high or ratio
    if gate.max_ratio is not None:
        return strip(
            point=ratio, low=low, high=high, limit=gate.max_ratio, most=True, said=result.message
        )
    return strip(
        point=_inverse(ratio),
        low=_inverse(high),
        high=_inverse(low),
        limit=gate.min_speedup or 0.0,
        most=False,
        said=result.message,
    )


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio else 0.0
