"""Which layers matter: a bar for each, the most sensitive first, long lists folded."""

from collections.abc import Sequence

from lathe_steps.evidence import LayerEffect, Sensitivity
from lathe_worker.report import metrics, words
from lathe_worker.report.drawing import box, drawing, line
from lathe_worker.report.html import Content, Markup, element

SHOWN = 12
"""Layers that are seen at once."""
_HEIGHT = 12.0


def figure(found: Sensitivity, most: int) -> Markup:
    """What each layer costs when it alone is changed, on one scale; at most so many are drawn."""
    layers = sorted(found.layers, key=lambda layer: -layer.drop)
    low, high = min(layers[-1].drop, 0.0), max(layers[0].drop, 0.0)
    ends = (low, high if high > low else low + 1)
    drawn = layers[: max(most, SHOWN)]
    rows = [_row(layer, found.metric, ends) for layer in drawn]
    return element(
        "figure",
        element("figcaption", _caption(found)),
        _table(rows[:SHOWN]),
        _folded(rows[SHOWN:], len(layers)),
        class_="sensitivity",
    )


def _caption(found: Sensitivity) -> str:
    title, samples = metrics.title_of(found.metric), words.count(found.samples)
    change = "change of " if metrics.known(found.metric) else ""
    return f"{found.change}, one layer at a time: {change}{title}, on {samples} samples"


def _table(rows: Sequence[Markup]) -> Markup:
    return element("table", element("tbody", *rows), class_="layers")


def _folded(rows: Sequence[Markup], count: int) -> Content:
    if not rows:
        return None
    beyond = count - SHOWN - len(rows)
    said = f"{len(rows)} layers that matter less" + (
        f"; {beyond} more are in report.json" if beyond else ""
    )
    return element("details", element("summary", said), _table(rows))


def _row(layer: LayerEffect, metric: str, ends: tuple[float, float]) -> Markup:
    said = words.minus(_said(metric, layer.drop))
    return element(
        "tr",
        element("th", element("code", layer.name), scope="row"),
        element("td", _bar(layer.drop, ends)),
        element("td", said, class_="number"),
    )


def _said(metric: str, drop: float) -> str:
    """A metric falls; what else was measured of a layer is said as it is."""
    known = metrics.known(metric)
    return metrics.change_of(metric, -drop) if known else words.number(drop)


def _bar(drop: float, ends: tuple[float, float]) -> Markup:
    low, high = ends
    zero, at = -low / (high - low), (drop - low) / (high - low)
    kind = "after" if drop >= 0 else "gain"
    return drawing(
        _HEIGHT,
        None,
        box((min(zero, at), 1), abs(at - zero), _HEIGHT - 2, kind),
        line((zero, 0), (zero, _HEIGHT), "axis-line"),
    )
