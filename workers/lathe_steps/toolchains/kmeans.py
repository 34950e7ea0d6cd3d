"""k-means of numbers: in one dimension clusters are intervals, so that sorting is most of the work.

Lloyd's iteration on sorted values needs only the borders between clusters and sums of prefixes;
an iteration costs the logarithm of the count for each cluster.
"""

from typing import Literal

import numpy as np

Init = Literal["Linear", "Density", "KMeansPlusPlus"]

_ITERATIONS = 300
_SAMPLE = 1 << 16
"""Values that k-means++ chooses among, evenly spread over the sorted ones."""


def centroids(values: np.ndarray, count: int, init: Init, seed: int) -> np.ndarray:
    """At most `count` centroids of float32 values, ascending; none when there are no values.

    Args:
        values: Any shape; finite.
        count: How many clusters.
        init: Linear spaces the first centroids evenly from the least value to the largest, which
            keeps the large weights that matter most (Han et al., 2015, section 3.1); Density puts
            as many values between each two; KMeansPlusPlus draws them far from each other.
        seed: Makes KMeansPlusPlus repeatable.
    """
    ordered = np.sort(values, axis=None)
    if not ordered.size:
        return ordered.astype(np.float32)
    sums = np.concatenate(([0.0], np.cumsum(ordered, dtype=np.float64)))
    found = _first(ordered, count, init, seed)
    for _ in range(_ITERATIONS):
        moved = _means(ordered, sums, found)
        if np.array_equal(moved, found):
            break
        found = moved
    return np.unique(found.astype(np.float32))


def nearest(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The nearest of ascending centroids for each value, in the type of the centroids."""
    middle = (found[1:].astype(np.float64) + found[:-1]) / 2
    chosen: np.ndarray = found[np.searchsorted(middle, values)]
    return chosen


def _first(ordered: np.ndarray, count: int, init: Init, seed: int) -> np.ndarray:
    if init == "Linear":
        return np.linspace(ordered[0], ordered[-1], count, dtype=np.float64)
    if init == "Density":
        places = (np.arange(count) + 0.5) / count * ordered.size
        return ordered[places.astype(np.int64)].astype(np.float64)
    return _far_apart(ordered, count, seed)


def _far_apart(ordered: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw each next centroid by its squared distance (Arthur and Vassilvitskii, 2007)."""
    chance = np.random.default_rng(seed)
    step = max(1, ordered.size // _SAMPLE)
    sample = ordered[::step].astype(np.float64)
    drawn = [sample[chance.integers(sample.size)]]
    distance = (sample - drawn[0]) ** 2
    while len(drawn) < count and (total := distance.sum()) > 0:
        drawn.append(sample[chance.choice(sample.size, p=distance / total)])
        distance = np.minimum(distance, (sample - drawn[-1]) ** 2)
    return np.sort(np.asarray(drawn))


def _means(ordered: np.ndarray, sums: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Each centroid in the middle of what is nearest to it; one with nothing stays."""
    borders = np.searchsorted(ordered, (found[1:] + found[:-1]) / 2)
    ends = np.concatenate(([0], borders, [ordered.size]))
    counts = np.diff(ends)
    totals = np.diff(sums[ends])
    return np.where(counts > 0, totals / np.maximum(counts, 1), found)
