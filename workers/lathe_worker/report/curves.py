"""How a number went while a step was at work: one small picture each, on a scale of its own."""

import statistics
from collections.abc import Sequence

from lathe_steps.evidence import Curve, Point, thinned
from lathe_worker.report import metrics, words
from lathe_worker.report.drawing import dot, drawing, label, line, polyline, stretched
from lathe_worker.report.html import Markup, element
from lathe_worker.report.scales import Scale

HEIGHT = 130.0
NOISY = 40
"""From so many points on, a running median is drawn before the points themselves."""
_PART = 16
"""A running median is over such a part of the points."""
_TALL = 50.0
"""When the largest figure is so many times the smallest, powers of ten are shown."""


def panel(curve: Curve, most: int) -> Markup:
    """The curve with at most so many points, its scale on the left, and its last figure.

    Where there are many points, the line and the figure are a running median: losses of single
    batches jump, and a last batch may have few samples.
    """
    points = thinned(curve.points, max(most, 2))
    trend = running_median(points) if len(points) >= NOISY else points
    caption = "running median" if trend is not points else None
    return element(
        "figure",
        element(
            "figcaption",
            element("span", curve.title, element("small", caption) if caption else None),
            element("b", _spelled(curve, trend[-1][1])),
        ),
        element("div", _drawn(curve, points, trend), class_="plot"),
        _below(curve),
        class_="panel curve",
    )


def running_median(points: Sequence[Point]) -> tuple[Point, ...]:
    """Each value as the median of those around it; there are fewer around the ends."""
    half = max(len(points) // _PART // 2, 1)
    ys = [y for _, y in points]
    return tuple(
        (x, statistics.median(ys[max(i - half, 0) : i + half + 1]))
        for i, (x, _) in enumerate(points)
    )


def _drawn(curve: Curve, points: Sequence[Point], trend: Sequence[Point]) -> Markup:
    across, up = _across([x for x, _ in points]), _up(points, trend)

    def placed(each: Sequence[Point]) -> list[Point]:
        return [(across.share(x), 1 - up.share(y)) for x, y in each]

    line_of, end = placed(trend), placed(trend[-1:])[0]
    faint = [polyline(placed(points), "curve-points")] if trend is not points else []
    return drawing(
        HEIGHT,
        _said(curve, trend),
        *(_rule(curve, up, tick) for tick in metrics.ticks_of(_metric(curve), up)),
        stretched(HEIGHT, *faint, polyline(line_of, "curve-line")),
        dot((end[0], HEIGHT * end[1]), 3.5, "after"),
    )


def _across(xs: list[float]) -> Scale:
    low, high = min(xs), max(xs)
    return Scale(low, high) if low < high else Scale(low - 1, high + 1)


def _up(points: Sequence[Point], trend: Sequence[Point]) -> Scale:
    """A scale for the trend and most of the points: those that jump lie on its edge."""
    ys = sorted(y for _, y in points)
    aside = len(ys) // 10 if len(ys) >= NOISY else 0
    seen = [*ys[aside : len(ys) - aside], *(y for _, y in trend)]
    low, high = min(seen), max(seen)
    if low > 0 and high > _TALL * low:
        return Scale(low / 1.3, high * 1.3, logarithmic=True)
    return Scale.around(low, high, room=0.08)


def _spelled(curve: Curve, figure: float) -> str:
    """As the metric is spelled that the title begins with, such as Top1 on val."""
    return metrics.value_of(_metric(curve), figure)


def _metric(curve: Curve) -> str:
    return curve.title.partition(" ")[0]


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


def _said(curve: Curve, trend: Sequence[Point]) -> str:
    first, last = trend[0][1], trend[-1][1]
    lowest, highest = min(y for _, y in trend), max(y for _, y in trend)
    return (
        f"{curve.title} by {curve.x}: from {_spelled(curve, first)} to {_spelled(curve, last)}, "
        f"between {_spelled(curve, lowest)} and {_spelled(curve, highest)}"
    )
