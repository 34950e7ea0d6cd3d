"""How a number went while a step was at work: one small picture each, on a scale of its own."""

from lathe_steps.evidence import Curve, thinned
from lathe_worker.report import metrics, words
from lathe_worker.report.drawing import dot, drawing, label, line, polyline, stretched
from lathe_worker.report.html import Markup, element
from lathe_worker.report.scales import Scale

HEIGHT = 130.0
_TALL = 50.0
"""When the largest figure is so many times the smallest, powers of ten are shown."""


def panel(curve: Curve, most: int) -> Markup:
    """The curve with at most so many points, its scale on the left, and its last figure."""
    last = _spelled(curve, curve.points[-1][1])
    return element(
        "figure",
        element(
            "figcaption",
            element("span", curve.title),
            element("b", last),
        ),
        element("div", _drawn(curve, most), class_="plot"),
        _below(curve),
        class_="panel curve",
    )


def _drawn(curve: Curve, most: int) -> Markup:
    xs, ys = [x for x, _ in curve.points], [y for _, y in curve.points]
    across, up = Scale(min(xs), max(xs) or 1.0) if min(xs) < max(xs) else _middle(xs[0]), _up(ys)
    points = [(across.share(x), 1 - up.share(y)) for x, y in thinned(curve.points, max(most, 2))]
    end = points[-1]
    return drawing(
        HEIGHT,
        _said(curve),
        *(_rule(curve, up, tick) for tick in up.ticks()),
        stretched(HEIGHT, polyline(points, "curve-line")),
        dot((end[0], HEIGHT * end[1]), 3.5, "after"),
    )


def _middle(figure: float) -> Scale:
    return Scale(figure - 1, figure + 1)


def _up(ys: list[float]) -> Scale:
    low, high = min(ys), max(ys)
    if low > 0 and high > _TALL * low:
        return Scale(low / 1.3, high * 1.3, logarithmic=True)
    return Scale.around(low, high, room=0.08)


def _spelled(curve: Curve, figure: float) -> str:
    """As the metric is spelled that the title begins with, such as Top1 on val."""
    return metrics.value_of(curve.title.partition(" ")[0], figure)


def _rule(curve: Curve, up: Scale, tick: float) -> Markup:
    y = HEIGHT * (1 - up.share(tick))
    said = label(_spelled(curve, tick), (0, y + 4), "tick", dx=-8, anchor="end")
    return element("g", line((0, y), (1, y), "rule"), said)


def _below(curve: Curve) -> Markup:
    first, last = (words.number(curve.points[i][0]) for i in (0, -1))
    return element(
        "div",
        element("span", first),
        element("span", curve.x),
        element("span", last),
        class_="axis",
    )


def _said(curve: Curve) -> str:
    first, last = curve.points[0][1], curve.points[-1][1]
    lowest, highest = min(y for _, y in curve.points), max(y for _, y in curve.points)
    return (
        f"{curve.title} by {curve.x}: from {_spelled(curve, first)} to {_spelled(curve, last)}, "
        f"between {_spelled(curve, lowest)} and {_spelled(curve, highest)}"
    )
