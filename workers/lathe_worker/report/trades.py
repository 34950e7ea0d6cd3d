"""Quality against what it costs: every candidate as a dot, and the front of those none beats."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lathe_steps.evidence import Candidate
from lathe_worker.report import metrics
from lathe_worker.report.drawing import dot, drawing, label, line
from lathe_worker.report.html import Markup, element
from lathe_worker.report.scales import Scale

HEIGHT = 230.0
_MIDDLE = 0.55
_LONGEST = 28

Place = tuple[float, float]
"""Share of the width, and pixels from the top."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What is paid for quality.

    Attributes:
        title: What it is, such as Size.
        of: A candidate's.
        spell: How it is said.
    """

    title: str
    of: Callable[[Candidate], float]
    spell: Callable[[float], str]


def front(places: Sequence[tuple[float, float]]) -> list[int]:
    """The Pareto front of pairs of cost and quality.

    Returns:
        Indices of those that no other beats, by ascending cost: whoever costs no more has less
        quality. Of equals, the first.
    """
    best, kept = float("-inf"), []
    for index in sorted(range(len(places)), key=lambda i: (places[i][0], -places[i][1], i)):
        if places[index][1] > best:
            best = places[index][1]
            kept.append(index)
    return kept


def plot(shown: Sequence[Candidate], chosen: Candidate, metric: str, cost: Cost) -> Markup:
    """One plot, with its title above and the ends of its scale below.

    Args:
        shown: The candidates; all have this cost.
        chosen: The one that the step gave.
        metric: What quality means.
        cost: What it is held against.
    """
    across = Scale.around(*map(cost.of, shown), room=0.08)
    up = Scale.around(*(each.quality for each in shown))
    places = [(across.share(cost.of(each)), _y(up, each.quality)) for each in shown]
    best = front([(cost.of(each), each.quality) for each in shown])
    title = metrics.title_of(metric)
    drawn = drawing(
        HEIGHT,
        f"{title} by {cost.title.lower()}. Chosen: {_said(chosen, metric, cost)}",
        *(_rule(up, tick, metric) for tick in metrics.ticks_of(metric, up)),
        *_joined([places[index] for index in best]),
        *(
            dot(places[i], 3.5, "best" if i in best else "other", _said(each, metric, cost))
            for i, each in enumerate(shown)
        ),
        *(_ringed(each.name, places[i]) for i, each in enumerate(shown) if each is chosen),
    )
    ends = (cost.spell(max(end, 0.0)) for end in (across.low, across.high))
    return element(
        "div",
        element("h4", f"{title} by {cost.title.lower()}"),
        element("div", drawn, class_="plot"),
        element("div", *(element("span", end) for end in ends), class_="axis"),
        class_="panel",
    )


def _said(candidate: Candidate, metric: str, cost: Cost) -> str:
    quality = metrics.value_of(metric, candidate.quality)
    return f"{candidate.name}: {quality}, {cost.spell(cost.of(candidate))}"


def _y(up: Scale, quality: float) -> float:
    return HEIGHT * (1 - up.share(quality))


def _rule(up: Scale, tick: float, metric: str) -> Markup:
    y = _y(up, tick)
    said = label(metrics.value_of(metric, tick), (0, y + 4), "tick", dx=-8, anchor="end")
    return element("g", line((0, y), (1, y), "rule"), said)


def _joined(places: Sequence[Place]) -> Iterator[Markup]:
    """In steps, since nothing lies between two candidates."""
    for (x1, y1), (x2, y2) in itertools.pairwise(places):
        yield line((x1, y1), (x2, y1), "front")
        yield line((x2, y1), (x2, y2), "front")


def _ringed(name: str, place: Place) -> Markup:
    x, y = place
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    left = x > _MIDDLE
    said = (
        label(short, (x, y + 4), "chosen", dx=-14, anchor="end")
        if left
        else label(short, (x, y - 12), "chosen")
    )
    return element(
        "g",
        dot(place, 8, "ring"),
        dot(place, 4.5, "after", name),
        said,
    )
