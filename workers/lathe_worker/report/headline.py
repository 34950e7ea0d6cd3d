"""The top of the page: what came of it, in one sentence and a few large figures."""

from lathe_api.v1alpha1.evaluation import QUALITY, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.reasons import Reason
from lathe_worker.report import words
from lathe_worker.report.document import Report
from lathe_worker.report.html import Markup, element

TITLES = {
    Metric.SIZE_BYTES: "Size",
    Metric.LATENCY_P50: "Latency",
    Metric.TOP1: "Top-1 accuracy",
    Metric.ARGMAX_AGREEMENT: "Agreement",
    Metric.PARAMS: "Parameters",
}


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
    """What came of it, such as: 87% smaller, 3.1x faster, top-1 accuracy -0.5pp."""
    shown = [metric for metric in figures(report) if metric.name is not Metric.PARAMS]
    others = [metric for metric in shown if metric.name not in QUALITY]
    quality = [metric for metric in shown if metric.name in QUALITY]
    parts = [_said(metric) for metric in (*others, *quality[:1])]
    said = ", ".join(parts) if parts else "nothing was measured"
    return said[:1].upper() + said[1:]


def figures(report: Report) -> list[MetricStatus]:
    """The metrics of the target that the summary is about: sizes, times, quality."""
    found = report.measured.metrics if report.measured else ()
    shown = words.shown_target(report.plan, found)
    own = {metric.name: metric for metric in found if metric.target == shown}
    return [own[name] for name in TITLES if name in own]


def _said(metric: MetricStatus) -> str:
    if metric.name in QUALITY:
        return f"{TITLES[metric.name].lower()} {words.minus(words.effect(metric))}"
    if metric.name is Metric.LATENCY_P50:
        return words.effect(metric)
    ratio = metric.ratio if metric.ratio is not None else 1.0
    return f"{100 * abs(1 - ratio):.0f}% {'smaller' if ratio <= 1 else 'larger'}"


def _badge(report: Report) -> Markup:
    neutral = {Reason.NOT_EVALUATED, Reason.NO_GATES}
    kind = "fail" if not report.gates.passed else "pass"
    if report.gates.passed and report.gates.reason in neutral:
        kind = "plain"
    return element("span", str(report.gates.reason), class_=f"badge {kind}")


def _figure(metric: MetricStatus) -> Markup:
    before, after = (words.value(metric.name, each) for each in (metric.input, metric.output))
    found = words.interval(metric)
    return element(
        "div",
        element("p", TITLES[metric.name], class_="name"),
        element("p", words.minus(words.effect(metric)), class_="effect"),
        element("p", before, element("span", " → ", class_="arrow"), element("b", after)),
        element("p", words.minus(found), class_="about") if found else None,
        class_="figure",
    )


def _about(shown: list[MetricStatus]) -> Markup | None:
    if not shown:
        return None
    target = element("b", shown[0].target)
    return element("p", "On target ", target, "; ranges are 95% intervals.", class_="about")
