"""A card for each target: what it runs on, and every metric before and after."""

from lathe_api.plan import PlannedTarget
from lathe_api.v1alpha1.status import MetricStatus, TargetStatus
from lathe_worker.report import metrics, words
from lathe_worker.report.document import Report
from lathe_worker.report.html import Markup, element
from lathe_worker.report.strips import bar


def cards(report: Report) -> Markup:
    """One card per target, in the order of the plan."""
    statuses = {status.name: status for status in report.targets}
    found = report.measured.metrics if report.measured else ()
    return element(
        "div",
        *(
            _card(target, statuses.get(target.name), [m for m in found if m.target == target.name])
            for target in report.plan.targets
        ),
        class_="cards",
    )


def _card(target: PlannedTarget, status: TargetStatus | None, found: list[MetricStatus]) -> Markup:
    return element(
        "article",
        element(
            "h3",
            target.name,
            element("span", target.runtime, class_="chip"),
            *(element("span", chip, class_="chip") for chip in _chips(status)),
        ),
        element("p", status.message, class_="note") if status and status.message else None,
        element("table", element("tbody", *map(_row, found))) if found else None,
    )


def _chips(status: TargetStatus | None) -> list[str]:
    if status is None:
        return []
    found = [status.gpu_product, status.compute_capability and f"SM {status.compute_capability}"]
    built = status.tensorrt_version and f"built by {status.tensorrt_version}"
    return [chip for chip in (*found, built) if chip]


def _row(metric: MetricStatus) -> Markup:
    before, after = (metrics.value(metric.name, each) for each in (metric.input, metric.output))
    most = max(metric.input, metric.output) or 1.0
    return element(
        "tr",
        element("th", metrics.TITLES[metric.name], scope="row"),
        element(
            "td",
            element("span", bar(metric.input / most, "before"), before, class_="pair"),
            element("span", bar(metric.output / most, "after"), element("b", after), class_="pair"),
        ),
        element(
            "td",
            element("b", words.minus(metrics.effect(metric))),
            element("small", words.minus(metrics.interval(metric))),
            class_="number",
        ),
    )
