"""Small pictures: a bar for a share, and a strip for a figure, its interval and its limit."""

from dataclasses import dataclass

from lathe_worker.report.html import Markup, element

WIDTH, HEIGHT, MIDDLE = 240.0, 28.0, 14.0
_MARGIN = 0.12


def bar(share: float, kind: str) -> Markup:
    """A horizontal bar of a share of its column, between 0 and 1."""
    width = f"{100 * min(max(share, 0.0), 1.0):.2f}%"
    return element(
        "span", element("span", class_=f"fill {kind}", style=f"width:{width}"), class_="bar"
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """From figures to places on a strip."""

    low: float
    high: float

    @classmethod
    def around(cls, *figures: float) -> "Scale":
        """A scale on which all figures have some room."""
        low, high = min(figures), max(figures)
        room = (high - low) * _MARGIN or abs(high) * _MARGIN or 1.0
        return cls(low - room, high + room)

    def x(self, figure: float) -> float:
        """The place of a figure."""
        return WIDTH * (figure - self.low) / (self.high - self.low)


def strip(
    *,
    point: float,
    low: float,
    high: float,
    limit: float,
    most: bool,
    said: str,
) -> Markup:
    """Draw a figure with its interval beside what is allowed.

    Args:
        point: The figure.
        low: Lower end of its interval; the figure itself where it is exact.
        high: Upper end.
        limit: The bound.
        most: Whether the bound is the largest allowed figure, or the smallest.
        said: The same in words, for those who cannot see it.
    """
    scale = Scale.around(0.0, point, low, high, limit)
    edge = scale.x(limit)
    start, end = (0.0, edge) if most else (edge, WIDTH)
    return element(
        "svg",
        element("title", said),
        _box(start, end, "allowed"),
        _line(scale.x(0.0), scale.x(0.0), 4.0, 24.0, "zero"),
        _line(edge, edge, 2.0, 26.0, "limit"),
        _line(scale.x(low), scale.x(high), MIDDLE, MIDDLE, "interval"),
        element("circle", cx=f"{scale.x(point):.1f}", cy=f"{MIDDLE:.1f}", r="4", class_="point"),
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        class_="strip",
        role="img",
    )


def _box(start: float, end: float, kind: str) -> Markup:
    return element(
        "rect",
        x=f"{start:.1f}",
        y="6",
        width=f"{max(end - start, 0.0):.1f}",
        height="16",
        rx="3",
        class_=kind,
    )


def _line(x1: float, x2: float, y1: float, y2: float, kind: str) -> Markup:
    return element(
        "line",
        x1=f"{x1:.1f}",
        x2=f"{x2:.1f}",
        y1=f"{y1:.1f}",
        y2=f"{y2:.1f}",
        class_=kind,
    )
