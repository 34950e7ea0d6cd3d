"""Pieces of drawings as inline SVG: widths are shares of what there is, heights are pixels.

A drawing is as wide as its place, so that text and strokes keep their size on a telephone and on
paper; only what lies inside `stretched` follows the width.
"""

from collections.abc import Iterable, Sequence

from lathe_worker.report.html import Content, Markup, element

Point = tuple[float, float]
"""Shares of the width and of the height, from the left and from the top."""


def drawing(height: float, said: str | None, *shapes: Content, kind: str = "") -> Markup:
    """A picture of this height.

    Args:
        height: Pixels.
        said: The same in words, for those who cannot see it; None where they are beside it.
        shapes: What is in it, from the back to the front.
        kind: Classes for the style.
    """
    return element(
        "svg",
        *shapes,
        class_=f"drawing {kind}".rstrip(),
        width="100%",
        height=f"{height:g}",
        role="img" if said else None,
        aria_label=said,
        aria_hidden=None if said else "true",
    )


def line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    """From one place to another; places are a share of the width, and pixels from the top."""
    return element(
        "line",
        x1=across(start[0]),
        y1=down(start[1]),
        x2=across(end[0]),
        y2=down(end[1]),
        class_=kind,
    )


def dot(at: tuple[float, float], radius: float, kind: str, said: str | None = None) -> Markup:
    """A disc; `said` is shown by a pointer that rests on it."""
    title = element("title", said) if said else None
    return element("circle", title, cx=across(at[0]), cy=down(at[1]), r=f"{radius:g}", class_=kind)


def box(at: tuple[float, float], width: float, height: float, kind: str) -> Markup:
    """A filled rectangle; its width is a share."""
    return element(
        "rect",
        x=across(at[0]),
        y=down(at[1]),
        width=across(max(width, 0.0)),
        height=f"{height:g}",
        rx="2",
        class_=kind,
    )


def label(
    said: str, at: tuple[float, float], kind: str, *, dx: float = 0, anchor: str = "start"
) -> Markup:
    """One line of text, its baseline at this place.

    Args:
        said: The text.
        at: Share of the width, and pixels from the top.
        kind: Classes for the style.
        dx: Pixels to move it by.
        anchor: Which end of the text is there: start, middle or end.
    """
    return element(
        "text",
        said,
        x=across(at[0]),
        y=down(at[1]),
        dx=f"{dx:g}" if dx else None,
        text_anchor=None if anchor == "start" else anchor,
        class_=kind,
    )


def stretched(height: float, *shapes: Markup) -> Markup:
    """Shapes in shares of the whole drawing, as `polyline` makes them."""
    return element(
        "svg",
        *shapes,
        width="100%",
        height=f"{height:g}",
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )


def polyline(points: Sequence[Point], kind: str) -> Markup:
    """A line through points, for `stretched`."""
    said = " ".join(_pairs(points))
    return element("polyline", points=said, vector_effect="non-scaling-stroke", class_=kind)


def _pairs(points: Iterable[Point]) -> Iterable[str]:
    return (f"{100 * x:.4g},{100 * y:.4g}" for x, y in points)


def across(share: float) -> str:
    """A share of the width, as SVG says it."""
    return f"{100 * share:.4g}%"


def down(pixels: float) -> str:
    """Pixels from the top, as SVG says it."""
    return f"{pixels:.1f}".removesuffix(".0")
