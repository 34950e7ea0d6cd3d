"""Small pictures: a bar for a share, and a strip for a figure, its interval and its limit."""

from dataclasses import dataclass

from lathe_worker.report.drawing import box, dot, drawing, line
from lathe_worker.report.html import Markup, element
from lathe_worker.report.scales import Scale
from lathe_worker.report.stops import Value

HEIGHT, MIDDLE = 28.0, 14.0


def bar(share: float, kind: str) -> Markup:
    """A horizontal bar of a share of its column, between 0 and 1."""
    width = f"{100 * min(max(share, 0.0), 1.0):.2f}%"
    return element(
        "span", element("span", class_=f"fill {kind}", style=f"width:{width}"), class_="bar"
    )


@dataclass(frozen=True, slots=True)
class Bound:
    """What is allowed.

    Attributes:
        limit: The bound.
        most: Whether it is the largest allowed figure, or the smallest.
    """

    limit: float
    most: bool


def strip(found: Value, allowed: Bound, said: str) -> Markup:
    """Draw a figure with its interval beside what is allowed; `said` is the same in words."""
    scale = Scale.around(0.0, found.point, found.low, found.high, allowed.limit)
    edge, zero = scale.share(allowed.limit), scale.share(0.0)
    start, end = (0.0, edge) if allowed.most else (edge, 1.0)
    return drawing(
        HEIGHT,
        said,
        box((start, 6), end - start, 16, "allowed"),
        line((zero, 4), (zero, 24), "zero"),
        line((edge, 2), (edge, 26), "limit"),
        line((scale.share(found.low), MIDDLE), (scale.share(found.high), MIDDLE), "interval"),
        dot((scale.share(found.point), MIDDLE), 4, "point"),
        kind="strip",
    )
