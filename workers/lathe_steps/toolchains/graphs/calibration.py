"""Ranges of activations, found by running samples through a graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lathe_steps.base import Dataset
from lathe_steps.toolchains.graphs import files, watching
from lathe_steps.toolchains.graphs.histograms import Histogram, Range, widest

_BATCH = {"MinMax": 16, "Entropy": 2, "Percentile": 2}
"""Samples per batch: histograms need whole activations at once, minima and maxima do not."""

Ranges = Mapping[str, Range]
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Sampling:
    """What to calibrate on; the fields are those of the step."""

    dataset: Dataset
    samples: int
    method: Literal["MinMax", "Entropy", "Percentile"]
    percentile: float
    symmetric: bool


def minima_and_maxima(dataset: Dataset, samples: int) -> Sampling:
    """Look for the lowest and highest values alone."""
    return Sampling(dataset, samples, "MinMax", percentile=100, symmetric=False)


def ranges(
    graph: Path, sampling: Sampling, *, known: Ranges, threads: int, progress: Progress
) -> tuple[Ranges, int]:
    """Find the range of every activation in 32-bit floating point.

    Args:
        graph: A prepared graph; files are written beside it.
        sampling: What to calibrate on.
        known: Ranges that are taken as they are.
        threads: CPU threads.
        progress: Called with the share done and a short message.

    Returns:
        Lowest and highest value by tensor, and the number of samples seen.

    Raises:
        BadInput: When the samples do not fit the model.
        Internal: UnsupportedModel, when the graph cannot be watched.
    """
    watcher = _Extremes if sampling.method == "MinMax" else _Histograms
    watched = watcher(graph, sampling, frozenset(known), threads)
    inputs = files.inputs(files.read(graph, weights=False))
    total = min(sampling.samples, len(sampling.dataset))
    seen = 0
    size = _BATCH[sampling.method]
    for count, feed in watching.feeds(inputs, sampling.dataset, sampling.samples, size):
        watched.take(feed)
        seen += count
        progress(seen / total, f"calibrating {seen}/{total}")
    return {**watched.found(), **known}, seen


class _Watcher:
    """Activations that are looked at batch by batch."""

    def __init__(self, graph: Path, sampling: Sampling, skip: frozenset[str], threads: int) -> None:
        model = files.read(graph)
        names = watching.floating_tensors(model)
        self._tensors = [name for name in names if name not in skip]
        self._sampling = sampling
        augment = watching.reducing if isinstance(self, _Extremes) else watching.showing
        watched = augment(model, self._tensors, graph.parent / "watched")
        self._session = watching.session(watched, threads)


class _Extremes(_Watcher):
    """Minima and maxima, found within the graph, which forgets its activations as it goes on."""

    def __init__(self, graph: Path, sampling: Sampling, skip: frozenset[str], threads: int) -> None:
        super().__init__(graph, sampling, skip, threads)
        self._ranges: Ranges = {}

    def take(self, feed: watching.Feed) -> None:
        values = watching.run(self._session, feed, self._sampling.dataset.name)
        pairs = zip(self._tensors, values[::2], values[1::2], strict=True)
        found = {name: (float(least), float(most)) for name, least, most in pairs}
        self._ranges = widest(self._ranges, found)

    def found(self) -> Ranges:
        return self._ranges


class _Histograms(_Watcher):
    """Histograms of whole activations."""

    def __init__(self, graph: Path, sampling: Sampling, skip: frozenset[str], threads: int) -> None:
        super().__init__(graph, sampling, skip, threads)
        self._histograms = {name: Histogram() for name in self._tensors}

    def take(self, feed: watching.Feed) -> None:
        name = self._sampling.dataset.name
        values = watching.run(self._session, feed, name, self._tensors)
        for histogram, each in zip(self._histograms.values(), values, strict=True):
            histogram.add(each)

    def found(self) -> Ranges:
        return {name: self._range(each) for name, each in self._histograms.items()}

    def _range(self, histogram: Histogram) -> Range:
        if self._sampling.method == "Entropy":
            return histogram.entropy()
        share, symmetric = self._sampling.percentile, self._sampling.symmetric
        return histogram.percentile(share, symmetric=symmetric)
