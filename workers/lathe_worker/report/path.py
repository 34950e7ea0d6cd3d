"""The way from the input model to each target: size after every step, and how long it took."""

from collections.abc import Iterator

from lathe_api.v1alpha1.evaluation import QUALITY
from lathe_api.v1alpha1.status import MetricStatus
from lathe_worker.chain import BASELINE
from lathe_worker.manifest import ManifestStep
from lathe_worker.report import words
from lathe_worker.report.document import Report
from lathe_worker.report.headline import TITLES
from lathe_worker.report.html import Markup, element
from lathe_worker.report.strips import bar

COLUMNS = 5


def table(report: Report) -> Markup:
    """A row per step: the common ones, then those of each target."""
    head = element(
        "tr",
        element("th", "Step"),
        element("th", "Size after it", colspan="2"),
        element("th", _quality_title(report), class_="number"),
        element("th", "Time", class_="number"),
    )
    most = max((step.bytes for step in report.steps), default=0)
    most = max(most, report.inputs[0].bytes, 1)
    rows = [_input(report, most)]
    rows += [_row(step, most) for step in report.steps if step.name == BASELINE]
    rows += [_row(step, most) for step in report.steps if "/" not in step.name]
    for target in report.plan.targets:
        own = [step for step in report.steps if step.name.startswith(f"{target.name}/")]
        if own:
            rows.append(_group(target.name))
        rows += [_row(step, most, _quality(report, target.name, step, own)) for step in own]
    return element(
        "div",
        element("table", element("thead", head), element("tbody", *rows), class_="path"),
        class_="wide",
    )


def _input(report: Report, most: int) -> Markup:
    size = report.inputs[0].bytes
    first = next(_qualities(report, None), None)
    said = words.value(first.name, first.input) if first else ""
    return element(
        "tr",
        element("th", "input model", scope="row"),
        element("td", bar(size / most, "before")),
        element("td", words.size(size), class_="number"),
        element("td", said, class_="number"),
        element("td"),
    )


def _group(target: str) -> Markup:
    return element("tr", element("th", target, colspan=str(COLUMNS)), class_="group")


def _row(step: ManifestStep, most: int, quality: str = "") -> Markup:
    name = step.name.rpartition("/")[2]
    kind = None if name.lower() == step.kind.lower() else element("small", step.kind)
    if step.name == BASELINE:
        name, kind = "as ONNX", element("small", "to compare with")
    return element(
        "tr",
        element("th", name, kind, _facts(step), scope="row"),
        element("td", bar(step.bytes / most, "before" if step.name == BASELINE else "after")),
        element("td", words.size(step.bytes), class_="number"),
        element("td", quality, class_="number"),
        element("td", _time(step), class_="number"),
    )


def _time(step: ManifestStep) -> Markup:
    taken = words.seconds(step.seconds)
    if step.cache == "Hit":
        return element("span", taken, element("span", "cached", class_="chip"), class_="muted")
    return element("span", taken)


def _facts(step: ManifestStep) -> Markup | None:
    known = step.metrics.items()
    said = ", ".join(f"{name.replace('_', ' ')} {words.count(value)}" for name, value in known)
    return element("small", said, class_="facts") if said else None


def _quality_title(report: Report) -> str:
    found = next(_qualities(report, None), None)
    return TITLES[found.name] if found else ""


def _qualities(report: Report, target: str | None) -> Iterator[MetricStatus]:
    for metric in report.measured.metrics if report.measured else ():
        if metric.name in QUALITY and target in {None, metric.target}:
            yield metric


def _quality(report: Report, target: str, step: ManifestStep, own: list[ManifestStep]) -> str:
    """The target's quality, at its last step: it is measured where a target ends."""
    found = next(_qualities(report, target), None)
    return words.value(found.name, found.output) if found and step is own[-1] else ""
