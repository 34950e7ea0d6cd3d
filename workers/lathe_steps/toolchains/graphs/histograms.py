"""Ranges of values that are seen once: minima and maxima, and histograms of constant size."""

from collections.abc import Mapping

import numpy as np

_HALF = 2048
"""Bins on each side of zero."""
_FINEST = 1e-30
"""Values below it are taken for zero."""
_STRIDE = 8
"""Bins between two thresholds that are tried."""

Range = tuple[float, float]


class Histogram:
    """Counts of values in bins of equal width around zero.

    The width doubles whenever a value does not fit, so that neither memory nor the result depends
    on the order in which values come, beyond the width of a bin.
    """

    def __init__(self) -> None:
        self.low = 0.0
        self.high = 0.0
        self._limit = 0.0
        self._counts = np.zeros(2 * _HALF, np.int64)

    def add(self, values: np.ndarray) -> None:
        """Count values of any shape; what is not finite is left out."""
        flat = values.ravel()
        flat = flat[np.isfinite(flat)]
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._make_room(max(-low, high, _FINEST))
        places = ((flat + self._limit) * (_HALF / self._limit)).astype(np.int64)
        np.clip(places, 0, 2 * _HALF - 1, out=places)
        self._counts += np.bincount(places, minlength=2 * _HALF)

    def percentile(self, share: float, *, symmetric: bool) -> Range:
        """The range that holds `share` percent of the values, cutting both ends alike."""
        if symmetric:
            edge = self._edge(self._folded(), share / 100)
            return self._within(-edge, edge)
        tail = (1 - share / 100) / 2
        below = self._edge(self._counts[:_HALF][::-1], None, cut=tail)
        above = self._edge(self._counts[_HALF:], None, cut=tail)
        return self._within(-below, above)

    def entropy(self) -> Range:
        """The range that loses least information in 8 bits, by Kullback-Leibler divergence.

        After Migacz, 8-bit Inference with TensorRT (GTC 2017); the zeros that a ReLU makes are
        not counted, for they would decide alone.
        """
        counts = self._folded().astype(np.float64)
        counts[0] = counts[1]
        levels = 256 if self.low >= 0 or self.high <= 0 else 128
        tried = range(levels, _HALF + 1, _STRIDE)
        losses = [_divergence(counts, count, levels) for count in tried]
        edge = tried[int(np.argmin(losses))] * self._limit / _HALF
        return self._within(-edge, edge)

    def _make_room(self, largest: float) -> None:
        if not self._limit:
            self._limit = largest
        while self._limit < largest:
            pairs = self._counts.reshape(-1, 2).sum(axis=1)
            self._counts = np.pad(pairs, _HALF // 2)
            self._limit *= 2

    def _folded(self) -> np.ndarray:
        """Counts of absolute values."""
        return self._counts[_HALF:] + self._counts[:_HALF][::-1]

    def _edge(self, counts: np.ndarray, share: float | None, cut: float = 0.0) -> float:
        """The upper edge of the bin within which a share of all values, or all but a cut, lie."""
        allowed = (1 - share if share is not None else cut) * self._counts.sum()
        beyond = counts[::-1].cumsum()[::-1]
        beyond = np.append(beyond[1:], 0)  # values above each bin's upper edge
        bins = int(np.argmax(beyond <= allowed)) + 1
        return bins * self._limit / _HALF

    def _within(self, low: float, high: float) -> Range:
        return max(low, self.low), min(high, self.high)


def _divergence(counts: np.ndarray, kept: int, levels: int) -> float:
    """What is lost when values up to a bin share so many levels and those beyond are clipped."""
    inner = counts[:kept]
    wanted = inner.copy()
    wanted[-1] += counts[kept:].sum()
    starts = np.arange(levels) * kept // levels
    filled = inner > 0
    sums = np.add.reduceat(inner, starts)
    sizes = np.add.reduceat(filled.astype(np.float64), starts)
    means = np.divide(sums, sizes, out=np.zeros_like(sums), where=sizes > 0)
    given = np.repeat(means, np.diff(np.append(starts, kept))) * filled
    both = (wanted > 0) & (given > 0)
    if not both.any():
        return float("inf")
    p, q = wanted / wanted.sum(), given / given.sum()
    lost = p[(wanted > 0) & ~both].sum()  # clipped into a bin that holds nothing else
    return float((p[both] * np.log(p[both] / q[both])).sum() + lost * np.log(1 / 1e-4))


def widest(ranges: Mapping[str, Range], found: Mapping[str, Range]) -> dict[str, Range]:
    """Ranges that hold both; zero is in each, for padding and ReLU need it exact."""
    merged = dict(ranges)
    for name, (low, high) in found.items():
        before = merged.get(name, (0.0, 0.0))
        merged[name] = min(before[0], low, 0.0), max(before[1], high, 0.0)
    return merged
