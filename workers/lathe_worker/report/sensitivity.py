"""Which layers matter: a bar for each, the most sensitive first, long lists folded."""

import math
from collections.abc import Sequence

from lathe_steps.evidence import LayerEffect, Sensitivity
from lathe_worker.report import metrics, words
from lathe_worker.report.drawing import box, drawing, line
from lathe_worker.report.html import Content, Markup, element
from lathe_worker.report.metrics import Spell

SHOWN = 12
"""Layers that are seen at once."""
MOST_PLACES = 6
"""Places after the point that can still be read."""
_HEIGHT = 12.0


def figure(found: Sensitivity, most: int) -> Markup:
    """What each layer costs when it alone is changed, on one scale; at most so many are drawn."""
    layers = sorted(found.layers, key=lambda layer: -layer.drop)
    low, high = min(layers[-1].drop, 0.0), max(layers[0].drop, 0.0)
    ends = (low, high if high > low else low + 1)
    spell = _spell(found.metric, max(high, -low))
    rows = [_row(layer, spell, ends) for layer in layers[: max(most, SHOWN)]]
    return element(
        "figure",
        element("figcaption", _caption(found)),
        _table(rows[:SHOWN]),
        _folded(rows[SHOWN:], len(layers)),
        class_="sensitivity",
    )


def _caption(found: Sensitivity) -> str:
    known, samples = metrics.known(found.metric), words.count(found.samples)
    measured = f"change of {metrics.TITLES[known]}" if known else found.metric
    return f"{found.change}, one layer at a time: {measured}, on {samples} samples"


def _spell(metric: str, largest: float) -> Spell:
    """A metric falls by a drop; what else was measured of a layer is said as it is."""
    if metrics.known(metric):
        return lambda drop: metrics.change_of(metric, -drop)
    places = 2 - math.floor(math.log10(largest)) if largest else 0
    if not 0 <= places <= MOST_PLACES:
        return words.number
    return lambda drop: f"{drop:.{places}f}"


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


def _row(layer: LayerEffect, spell: Spell, ends: tuple[float, float]) -> Markup:
    return element(
        "tr",
        element("th", element("code", layer.name), scope="row"),
        element("td", _bar(layer.drop, ends)),
        element("td", words.minus(spell(layer.drop)), class_="number"),
    )


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
