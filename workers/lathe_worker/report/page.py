"""The report as one page for a browser: no scripts, no network, light or dark, fit to print."""

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files

from lathe_api.v1alpha1.status import ArtifactStatus
from lathe_worker.measured import Timing
from lathe_worker.report import figures, gates, headline, path, targets, words
from lathe_worker.report.document import Report
from lathe_worker.report.html import Content, Markup, element, text

LINES = re.compile(
    r"><(?=(?:section|article|figure|header|footer|details|table|tr|div|dl|p|h[1-4]|svg)\b)"
)
"""Where a line of the page ends, so that two pages can be compared line by line."""
_NEWLINE = ">\n<"


def render(report: Report) -> str:
    """The page; whatever the report says is escaped, so that it can hold no markup of others."""
    title = f"{report.plan.name}: {headline.sentence(report)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", _style()),
    )
    body = element(
        "body",
        element(
            "main",
            headline.section(report),
            _section("Targets", targets.cards(report)),
            _section("Gates", gates.table(report)) if report.gates.results else None,
            _section("The path", path.section(report)),
            *figures.sections(report),
            _section("Files", _files(report.artifacts)),
            _section("How it was done", _facts(report)),
        ),
        _footer(report),
    )
    page = element("html", head, body, lang="en")
    return f"<!doctype html>\n{LINES.sub(_NEWLINE, page)}\n"


def _style() -> Markup:
    return Markup(files("lathe_worker.report").joinpath("style.css").read_text(encoding="utf-8"))


def _section(title: str, *contents: Content) -> Markup:
    return element("section", element("h2", title), *contents)


def _files(artifacts: Sequence[ArtifactStatus]) -> Markup:
    rows = [
        element(
            "tr",
            element("td", each.target),
            element("td", element("code", each.uri), element("code", each.digest, class_="digest")),
            element("td", words.size(each.bytes), class_="number"),
        )
        for each in artifacts
    ]
    head = element(
        "tr",
        element("th", "Target"),
        element("th", "Where, and sha256"),
        element("th", "Size", class_="number"),
    )
    return element(
        "div",
        element("table", element("thead", head), element("tbody", *rows), class_="files"),
        class_="wide",
    )


def _facts(report: Report) -> Markup:
    where, measured = report.environment, report.measured
    pairs: list[tuple[str, Content]] = [
        ("Run", element("code", report.run_key, class_="digest")),
        *((_called(each.name), _object(each.uri, each.digest)) for each in report.inputs),
        ("Processor", f"{where.cpu} ({where.machine}), {where.threads} threads"),
        ("Features", ", ".join(where.isa) or "not known"),
        ("System", f"{where.system}, Python {where.python}"),
        ("Versions", ", ".join(f"{name} {found}" for name, found in where.versions.items())),
    ]
    if measured:
        busy = f", load {measured.load:.2f} per processor" if measured.load is not None else ""
        said = f"{measured.samples} samples of {measured.dataset}, {measured.threads} threads{busy}"
        pairs.append(("Measured on", said))
    if measured and measured.timing:
        pairs.append(("Timed", _timed(measured.timing)))
    return element("dl", *_definitions(pairs))


def _timed(timing: Timing) -> str:
    """How calls were timed, and whether the machine was left alone."""
    samples = "1 sample" if timing.batch == 1 else f"{timing.batch} samples"
    threads = "1 thread" if timing.threads == 1 else f"{timing.threads} threads"
    cpus = f" on CPU {', '.join(map(str, timing.cpus))}" if timing.cpus else ""
    said = f"calls with {samples} each, {threads}{cpus}"
    if not timing.busy:
        return said
    return f"{said}; the machine was busy: calls took {timing.waited:.2g} times their CPU time"


def _called(name: str) -> str:
    return "Input model" if name == "model" else f"Data set {name}"


def _object(uri: str, digest: str) -> Markup:
    return text(element("code", uri), element("code", digest, class_="digest"))


def _definitions(pairs: Iterable[tuple[str, Content]]) -> Iterable[Markup]:
    for name, found in pairs:
        yield element("div", element("dt", name), element("dd", found))


def _footer(report: Report) -> Markup:
    version = report.environment.versions.get("lathe", "")
    return element(
        "footer",
        f"Lathe {version} · finished {report.finished} after {words.duration(report.seconds)} · "
        "quality is compared sample by sample, latency call by call in turns.",
    )
