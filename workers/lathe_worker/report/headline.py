"""The top of the page: what came of it, in one sentence and a few large figures."""

from lathe_api.v1alpha1.evaluation import QUALITY, SPEEDS, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.reasons import Reason
from lathe_worker.report import metrics, words
from lathe_worker.report.document import Report
from lathe_worker.report.html import Markup, element

MOST = 5
"""Large figures; every other is on the target's card."""


def section(report: Report) -> Markup:
    """Name, verdict, sentence and figures."""
    shown = figures(report)
    return element(
        "header",
        element(
            "p",
            element("span", f"{report.plan.namespace}/{report.plan.name}"),
            _badge(report),
            class_="eyebrow",
        ),
        element("h1", sentence(report)),
        element("p", report.gates.message, class_="lead"),
        element("div", *(_figure(metric) for metric in shown), class_="figures") if shown else None,
        _about(shown),
    )


def sentence(report: Report) -> str:
    """What came of it, such as: 87% smaller, 3.1x faster, top-1 accuracy +0.5pp."""
    found = _of_target(report)
    wanted = ((Metric.SIZE_BYTES,), _in_order(SPEEDS), _in_order(QUALITY))
    firsts = (next((found[name] for name in names if name in found), None) for names in wanted)
    parts = [metrics.said(metric) for metric in firsts if metric]
    said = ", ".join(parts) if parts else "nothing was measured"
    return said[:1].upper() + said[1:]


def figures(report: Report) -> list[MetricStatus]:
    """The metrics that matter most, of the target that the summary is about."""
    found = _of_target(report)
    return [found[name] for name in metrics.TITLES if name in found][:MOST]


def _of_target(report: Report) -> dict[Metric, MetricStatus]:
    found = report.measured.metrics if report.measured else ()
    shown = metrics.shown_target(report.plan, found)
    return {metric.name: metric for metric in found if metric.target == shown}


def _in_order(names: frozenset[Metric]) -> tuple[Metric, ...]:
    return tuple(name for name in metrics.TITLES if name in names)


def _badge(report: Report) -> Markup:
    neutral = {Reason.NOT_EVALUATED, Reason.NO_GATES, Reason.ROLLED_BACK}
    kind = "fail" if not report.gates.passed else "pass"
    if report.gates.passed and report.gates.reason in neutral:
        kind = "plain"
    return element("span", str(report.gates.reason), class_=f"badge {kind}")


def _figure(metric: MetricStatus) -> Markup:
    before, after = (metrics.value(metric.name, each) for each in (metric.input, metric.output))
    found = metrics.interval(metric)
    return element(
        "div",
        element("p", metrics.TITLES[metric.name], class_="name"),
        element("p", words.minus(metrics.effect(metric)), class_="effect"),
        element("p", before, element("span", " → ", class_="arrow"), element("b", after)),
        element("p", words.minus(found), class_="about") if found else None,
        class_="figure",
    )


def _about(shown: list[MetricStatus]) -> Markup | None:
    if not shown:
        return None
    target = element("b", shown[0].target)
    return element("p", "On target ", target, "; ranges are 95% intervals.", class_="about")
