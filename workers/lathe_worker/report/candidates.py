"""What a search considered, and what it chose: plots of quality against size and time, a table."""

from collections.abc import Sequence

from lathe_steps.evidence import Candidate, Candidates
from lathe_worker.report import metrics, words
from lathe_worker.report.html import Markup, element
from lathe_worker.report.trades import Cost, front, plot

SHOWN = 8
"""Rows of the table that are seen at once."""

SIZE = Cost("Size", lambda each: each.bytes, words.size)
LATENCY = Cost("Latency", lambda each: each.latency or 0.0, words.milliseconds)


def figure(found: Candidates, most: int) -> Markup:
    """A plot by size, one by latency where it was measured, and the figures as a table.

    One candidate alone is not plotted: there is nothing to compare it with.
    """
    shown = drawn(found, most)
    timed = [each for each in shown if each.latency is not None]
    chosen = found.considered[found.chosen]
    plots = [
        plot(some, chosen, found.metric, cost)
        for some, cost in ((shown, SIZE), (timed, LATENCY))
        if len(some) > 1
    ]
    return element(
        "figure",
        element("figcaption", _caption(found)),
        element("div", *plots, class_="plots") if plots else None,
        _table(found, shown),
        class_="candidates",
    )


def drawn(found: Candidates, most: int) -> list[Candidate]:
    """At most so many: the chosen one, then those of the front, then the others as tried."""
    every = found.considered
    best = front([(each.bytes, each.quality) for each in every])
    order = list(dict.fromkeys((found.chosen, *best, *range(len(every)))))
    return [every[index] for index in sorted(order[: max(most, SHOWN)])]


def _caption(found: Candidates) -> str:
    count, samples = len(found.considered), found.samples
    said = "1 candidate" if count == 1 else f"{count} candidates"
    on = f" on {words.count(samples)} samples" if samples > 1 else ""
    line = "; the line joins those that no other beats" if count > 1 else ""
    return f"{said}; {metrics.title_of(found.metric)}{on}{line}"


def _table(found: Candidates, shown: Sequence[Candidate]) -> Markup:
    """The chosen one first, then those of the front, then the others, each by size."""
    chosen = found.considered[found.chosen]
    best = {id(shown[i]) for i in front([(each.bytes, each.quality) for each in shown])}
    order = sorted(shown, key=lambda each: (each is not chosen, id(each) not in best, each.bytes))
    timed = any(each.latency is not None for each in shown)
    mark = element("span", "chosen", class_="badge pass")
    rows = [
        element(
            "tr",
            element("th", each.name, mark if each is chosen else None, scope="row"),
            *_figures(each, found.metric, timed=timed),
            class_="best" if id(each) in best else None,
        )
        for each in order
    ]
    head = _head(metrics.title_of(found.metric), timed=timed)
    return element(
        "div", _rows(head, rows[:SHOWN]), _folded(head, rows[SHOWN:], found), class_="wide"
    )


def _folded(head: Markup, rows: Sequence[Markup], found: Candidates) -> Markup | None:
    if not rows:
        return None
    beyond = len(found.considered) - SHOWN - len(rows)
    more = f"; {beyond} more are in report.json" if beyond else ""
    said = element("summary", f"{len(rows)} other candidates{more}")
    return element("details", said, _rows(head, rows))


def _rows(head: Markup, rows: Sequence[Markup]) -> Markup:
    return element("table", element("thead", head), element("tbody", *rows), class_="tried")


def _head(title: str, *, timed: bool) -> Markup:
    names = ("Size", title, *(("Latency",) if timed else ()))
    return element(
        "tr",
        element("th", "Candidate"),
        *(element("th", name, class_="number") for name in names),
    )


def _figures(each: Candidate, metric: str, *, timed: bool) -> list[Markup]:
    said = [words.size(each.bytes), metrics.value_of(metric, each.quality)]
    if timed:
        said.append("" if each.latency is None else words.milliseconds(each.latency))
    return [element("td", figure, class_="number") for figure in said]
