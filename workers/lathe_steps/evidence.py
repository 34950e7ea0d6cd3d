"""What a step found out, for people to look at: curves, rankings of layers, candidates.

Facts are single numbers; evidence is what a figure in the report is drawn from.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

MOST_POINTS = 240
"""Points of a curve that a figure can show."""
MOST_LAYERS = 512
"""Layers of a ranking, and candidates of a search, that are kept."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """How a number went while a step was at work.

    Attributes:
        title: What it is, such as loss, or Top1 on val.
        x: What is counted, such as batch or epoch.
        points: Pairs of count and value, in order; at most MOST_POINTS.
    """

    title: str
    x: str
    points: tuple[Point, ...]
    kind: Literal["Curve"] = "Curve"


@dataclass(frozen=True, slots=True)
class LayerEffect:
    """What changing one layer alone does.

    Attributes:
        name: The layer or node.
        drop: By how much the metric fell; may be negative.
    """

    name: str
    drop: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How much each layer matters to a metric: a map that prune and quantize can follow.

    Attributes:
        change: What was done to each layer, such as "8 bits".
        metric: What was measured, such as Top1.
        samples: On how many samples.
        layers: The most sensitive first; at most MOST_LAYERS.
    """

    change: str
    metric: str
    samples: int
    layers: tuple[LayerEffect, ...]
    kind: Literal["Sensitivity"] = "Sensitivity"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One result that a step considered.

    Attributes:
        name: What was special about it, such as "conv1 in floating point".
        bytes: Its size.
        quality: The metric's value.
        latency: Milliseconds of one call; None when it was not measured.
    """

    name: str
    bytes: int
    quality: float
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Everything that a search considered, and what it chose.

    Attributes:
        metric: What quality means, such as Top1.
        samples: On how many samples it was measured.
        considered: In the order in which they were tried; at most MOST_LAYERS.
        chosen: Index of the one that the step gives.
    """

    metric: str
    samples: int
    considered: tuple[Candidate, ...]
    chosen: int
    kind: Literal["Candidates"] = "Candidates"


Evidence = Annotated[Curve | Sensitivity | Candidates, Field(discriminator="kind")]


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> tuple[Point, ...]:
    """At most so many points, evenly spread; each is the mean of its neighbourhood."""
    count = min(len(points), most)
    edges = [i * len(points) // count for i in range(count + 1)] if count else [0]
    parts = [points[a:b] for a, b in itertools.pairwise(edges)]
    return tuple(
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts
    )
