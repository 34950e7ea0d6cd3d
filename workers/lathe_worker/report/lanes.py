"""The path as a figure: a row for each step, and a lane each for size, quality and latency.

Sizes and times are bars from zero. Quality has a scale of its own, on which small changes can be
seen: there it is a line from step to step with the 95 % intervals of its change.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lathe_api.v1alpha1.evaluation import QUALITY, Metric
from lathe_worker.report import metrics, words
from lathe_worker.report.document import Report
from lathe_worker.report.drawing import box, dot, drawing, label, line
from lathe_worker.report.html import Markup, element
from lathe_worker.report.scales import Scale
from lathe_worker.report.stops import Stop, Value, path_metric, stops

WIDTH = 0.66
"""Share of a lane that is drawn on; the rest is for figures."""
DENSE = 24
"""From so many stops on, rows are low and have no second line."""
FAR = 4
"""Quality further from the ends of the path than so many times what they span is beyond the scale;
it has a hollow dot at the edge, and an arrow beside its figure."""
_LATENCIES = (Metric.LATENCY_P50,)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the figure: a stop, or the title of a target.

    Attributes:
        top: Pixels above it.
        height: Its own pixels.
        title: The target's name; empty for a stop.
        stop: The stop; None for a title.
    """

    top: float
    height: float
    title: str
    stop: Stop | None

    @property
    def middle(self) -> float:
        """Pixels above its middle."""
        return self.top + self.height / 2


def figure(report: Report) -> Markup:
    """The lanes for which there is anything to draw, side by side; on a telephone, in turn."""
    found = stops(report)
    rows = list(_rows(found))
    lanes = [_lane("Size", rows, _bars(rows, _sizes(rows), words.size))]
    if quality := path_metric(report, QUALITY):
        lanes.append(
            _lane(metrics.TITLES[quality], rows, _line(rows, _values(rows, quality), quality))
        )
    if latency := path_metric(report, frozenset(_LATENCIES)):
        times = _values(rows, latency)
        lanes.append(_lane(metrics.TITLES[latency], rows, _bars(rows, times, words.milliseconds)))
    kind = "lanes dense" if len(found) > DENSE else "lanes"
    return element("figure", *lanes, class_=kind)


def _rows(found: Sequence[Stop]) -> Iterator[Row]:
    height = 24.0 if len(found) > DENSE else 42.0
    top, target = 0.0, None
    for stop in found:
        if stop.target != target and stop.target:
            yield Row(top, height, stop.target, None)
            top += height
        yield Row(top, height, "", stop)
        top, target = top + height, stop.target


def _lane(title: str, rows: Sequence[Row], drawn: Markup) -> Markup:
    names = element("div", *map(_name, rows), class_="stops")
    return element("div", names, element("div", element("h3", title), drawn), class_="lane")


def _name(row: Row) -> Markup:
    style = f"height:{row.height:g}px"
    if row.stop is None:
        return element("div", element("b", row.title), class_="stop group", style=style)
    name, kind = row.stop.name, row.stop.kind
    second = kind if kind and kind.lower() != name.lower() else None
    if row.stop.given_up:
        second = "not published"
    return element(
        "div",
        element("span", name, title=name),
        element("small", second) if second else None,
        class_="stop own" if row.stop.target else "stop",
        style=style,
    )


Spell = Callable[[float], str]
Known = Sequence[tuple[Row, Value]]
"""Rows of which a figure is known, from the top."""


def _sizes(rows: Sequence[Row]) -> Known:
    return [(row, _exact(row.stop.bytes)) for row in rows if row.stop]


def _exact(figure: float) -> Value:
    return Value(figure, figure, figure)


def _values(rows: Sequence[Row], metric: Metric) -> Known:
    return [(r, r.stop.values[metric]) for r in rows if r.stop and metric in r.stop.values]


def _bars(rows: Sequence[Row], known: Known, spell: Spell) -> Markup:
    scale = Scale.from_zero(value.high for _, value in known)
    return drawing(
        rows[-1].top + rows[-1].height,
        _said(known, spell),
        *_reference(rows, known, scale),
        *(_bar(row, WIDTH * scale.share(value.point)) for row, value in known),
        *itertools.chain.from_iterable(_whisker(row, value, scale) for row, value in known),
        *_figures(rows, known, spell),
    )


def _bar(row: Row, width: float) -> Markup:
    return box((0, row.middle - 5), width, 10, _kind(row))


def _kind(row: Row) -> str:
    plain = row.stop is None or row.stop.is_input or row.stop.given_up
    return "before" if plain else "after"


def _whisker(row: Row, value: Value, scale: Scale) -> Iterator[Markup]:
    if value.low < value.high:
        ends = [(WIDTH * scale.share(each), row.middle) for each in (value.low, value.high)]
        yield line(ends[0], ends[1], "interval")


def _line(rows: Sequence[Row], known: Known, metric: Metric) -> Markup:
    scale = _close(known)
    places = {row.top: (WIDTH * scale.share(value.point), row.middle) for row, value in known}

    def spell(figure: float) -> str:
        beyond = {0.0: "\N{LEFTWARDS ARROW} ", 1.0: "→ "}.get(scale.share(figure), "")
        return beyond + metrics.value(metric, figure)

    return drawing(
        rows[-1].top + rows[-1].height,
        _said(known, lambda figure: metrics.value(metric, figure)),
        *_reference(rows, known, scale),
        *(line(places[a.top], places[b.top], kind) for a, b, kind in _legs(known)),
        *(_band(row, value, scale) for row, value in known),
        *(dot(places[row.top], 4.5, _dot_kind(row, value, scale)) for row, value in known),
        *_figures(rows, known, spell),
    )


def _close(known: Known) -> Scale:
    """A scale on which the ends can be told apart; what a step broke for a while may be beyond."""
    last = {row.stop.target: value for row, value in known if row.stop}
    ends = list(_all(known[0][1], *last.values()))
    every = list(_all(*(value for _, value in known)))
    low, high = min(ends), max(ends)
    far = FAR * ((high - low) or abs(high) / 100)
    return Scale.around(max(min(every), low - far), min(max(every), high + far))


def _all(*values: Value) -> Iterator[float]:
    for value in values:
        yield from (value.point, value.low, value.high)


def _dot_kind(row: Row, value: Value, scale: Scale) -> str:
    return "beyond" if scale.share(value.point) in {0.0, 1.0} else _kind(row)


def _legs(known: Known) -> Iterator[tuple[Row, Row, str]]:
    """From each known stop to the next; to the first of a target, from the last common one."""
    fork = before = known[0][0]
    for row, _ in known[1:]:
        own = row.stop.target if row.stop else None
        came = before if before.stop and before.stop.target == own else fork
        yield came, row, "leg" if came.top + came.height >= row.top else "leg far"
        fork, before = (fork if own else row), row


def _band(row: Row, value: Value, scale: Scale) -> Markup:
    low, high = WIDTH * scale.share(value.low), WIDTH * scale.share(value.high)
    return line((low, row.middle), (high, row.middle), "band")


def _reference(rows: Sequence[Row], known: Known, scale: Scale) -> Iterator[Markup]:
    """The input model's figure, down to the end."""
    if known and known[0][0].stop and known[0][0].stop.is_input:
        at = WIDTH * scale.share(known[0][1].point)
        yield line((at, rows[0].middle), (at, rows[-1].top + rows[-1].height), "reference")


def _figures(rows: Sequence[Row], known: Known, spell: Spell) -> Iterator[Markup]:
    told = {row.top: value for row, value in known}
    for row in rows:
        if row.top in told:
            yield label(spell(told[row.top].point), (1, row.middle + 4.5), "figure", anchor="end")
        elif row.stop and not row.stop.executed:
            yield label("not run here", (1, row.middle + 4.5), "soft", anchor="end")


def _said(known: Known, spell: Spell) -> str:
    return "; ".join(_told(known, spell))


def _told(known: Known, spell: Spell) -> Iterable[str]:
    for row, value in known:
        if row.stop:
            target = f" on {row.stop.target}" if row.stop.target else ""
            yield f"{row.stop.name}{target}: {spell(value.point)}"
