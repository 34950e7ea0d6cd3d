"""The way from the input model to each target: the figure, then what each step found and took."""

from collections.abc import Iterator

from lathe_worker.manifest import ManifestStep
from lathe_worker.report import findings, lanes, words
from lathe_worker.report.document import Report
from lathe_worker.report.html import Content, Markup, element, text
from lathe_worker.report.stops import common_steps, only_compares, steps_of

COLUMNS = 4


def section(report: Report) -> Markup:
    """The figure and the table; the table has a row per step, each target's under its name."""
    return text(lanes.figure(report), _table(report))


def _table(report: Report) -> Markup:
    head = element(
        "tr",
        element("th", "Step"),
        element("th", "What it found"),
        element("th", "Size", class_="number"),
        element("th", "Time", class_="number"),
    )
    return element(
        "div",
        element("table", element("thead", head), element("tbody", *_rows(report)), class_="steps"),
        class_="wide",
    )


def _rows(report: Report) -> Iterator[Markup]:
    yield from map(_row, common_steps(report.steps))
    for target in report.plan.targets:
        own = steps_of(report.steps, target.name)
        if own:
            yield element("tr", element("th", target.name, colspan=str(COLUMNS)), class_="group")
        yield from map(_row, own)
    compared = [step for step in report.steps if only_compares(step.name)]
    if compared:
        said = element("th", "to compare with", colspan=str(COLUMNS))
        yield element("tr", said, class_="group")
        yield from map(_row, compared)


def _row(step: ManifestStep) -> Markup:
    name = step.name.rpartition("/")[2]
    kind = None if name.lower() == step.kind.lower() else element("small", step.kind)
    return element(
        "tr",
        element("th", name, kind, scope="row"),
        element("td", _found(step), class_="found"),
        element("td", words.size(step.bytes), class_="number"),
        element("td", _time(step), class_="number"),
    )


def _time(step: ManifestStep) -> Markup:
    taken = words.seconds(step.seconds)
    if step.cache == "Hit":
        return element("span", taken, element("span", "cached", class_="chip"), class_="muted")
    return element("span", taken)


def _found(step: ManifestStep) -> Content:
    phrases = findings.phrases(step)
    said = text(*(element("span", each) for each in phrases))
    return text(
        said,
        *(element("p", note) for note in findings.notes(step)),
        *(element("p", remark, class_="remark") for remark in findings.remarks(step)),
    )
