"""Data sets: which column feeds which input, whether they fit, and samples in a fixed order."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.transforms import Transform
from lathe_steps.base import Batch, TensorSpec
from lathe_worker.data import labels, overlap
from lathe_worker.data.ahead import ahead
from lathe_worker.data.columns import Column
from lathe_worker.data.encoded import Encoded
from lathe_worker.data.formats import Source, open_source
from lathe_worker.data.overlap import require_apart
from lathe_worker.data.refusal import invalid, misshapen, spoken
from lathe_worker.data.transforms import Unfit, changed

__all__ = ["DiskDataset", "open_dataset", "require_apart"]

_AHEAD = 2
"""Batches that are made before they are asked for."""
_MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class Feed:
    """What one input of a model gets.

    Attributes:
        column: Where values lie.
        transforms: What is done to each.
        dtype: What the input takes, as a numpy name; values are cast to it at last.
    """

    column: Column
    transforms: tuple[Transform, ...]
    dtype: str

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Values of some samples, side by side, as the input takes them.

        Raises:
            BadInput: InvalidDataset, when a value is damaged; ShapeMismatch, when a transform does
                not take one, or they come out in different shapes.
        """
        found = self.made(rows)
        return found.astype(self.dtype, copy=False)

    def made(self, rows: np.ndarray) -> np.ndarray:
        """Values after the transforms, of whatever type."""
        values = self.column.take(rows)
        if self.transforms:
            values = [self._changed(v, row) for v, row in zip(values, rows, strict=True)]
        return labels.stacked(values, self.column, rows)

    def _changed(self, value: np.ndarray, row: int) -> np.ndarray:
        try:
            return changed(value, self.transforms)
        except Unfit as error:
            raise misshapen(self.column.place(int(row)), str(error)) from error


@dataclass(frozen=True, slots=True)
class DiskDataset:
    """Samples that lie on disk; a batch is read, decoded and changed when it is due.

    Attributes:
        name: As the spec calls it.
        feeds: What each model input gets; all have as many samples.
        labels: int64 classes of shape [samples] or [samples, positions], or float32 numbers.
        threads: How many batches are made at once, while the last is worked on; 0 makes each when
            it is asked for.
    """

    name: str
    feeds: Mapping[str, Feed]
    labels: Column | None
    threads: int = 0

    def __len__(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.feeds.values())).column)

    def batches(
        self, size: int, *, shuffle: int | None = None, limit: int | None = None
    ) -> Iterator[Batch]:
        """Yield batches of at most `size` samples; see `lathe_steps.Dataset`."""
        count = len(self) if limit is None else min(limit, len(self))
        order = np.arange(count) * len(self) // max(count, 1)
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(order)
        parts = (order[start : start + size] for start in range(0, count, size))
        if not self.threads:
            return map(self._batch, parts)
        return ahead(self._batch, parts, threads=self.threads, depth=_AHEAD)

    def digests(self) -> Iterator[np.ndarray]:
        """See `lathe_worker.data.overlap.Digested`."""
        return overlap.digests(
            {name: (feed.column, _compared(feed)) for name, feed in self.feeds.items()}
        )

    def _batch(self, rows: np.ndarray) -> Batch:
        inputs = {name: feed.take(rows) for name, feed in self.feeds.items()}
        found = None if self.labels is None else self.labels.take(rows)
        return Batch(inputs, None if found is None else np.asarray(found))


def open_dataset(
    ref: DatasetRef, path: Path, scratch: Path, inputs: Sequence[TensorSpec]
) -> DiskDataset:
    """Open a data set for a model, once everything is checked that can be without running it.

    An input without an entry in `ref.inputs` is the column of its own name; the only input of a
    model is the only column besides the labels that can be an input, whatever its name.

    Args:
        ref: The data set as declared.
        path: The file, or the directory with what the prefix holds. It is read while the data set
            is used, unless the format is unpacked (see `lathe_worker.data.formats`).
        scratch: An existing directory for unpacked columns; read while the data set is used.
        inputs: What the model takes.

    Raises:
        BadInput: InvalidDataset, when a file is not sound, a column is missing or empty, lengths
            differ, or labels are none; ShapeMismatch, when a column does not fit its input.
    """
    source = open_source(ref, path, scratch)
    wanted = _sources(ref, source, inputs)
    columns = source.read([*wanted.values(), *([ref.labels] if ref.labels else [])])
    _require_samples(ref, columns)
    feeds = {
        spec.name: Feed(columns[wanted[spec.name]], ref.transforms.get(spec.name, ()), spec.dtype)
        for spec in inputs
    }
    shapes = {spec.name: _check_fits(ref, spec, feeds[spec.name]) for spec in inputs}
    found = None
    if ref.labels:
        called = f"{spoken(ref)}: the labels {ref.labels}"
        positions = frozenset(size for shape in shapes.values() for size in shape[1:2])
        file = scratch / f"{ref.name}-labels.bin"
        found = labels.checked(columns[ref.labels], called, file, positions)
    return DiskDataset(ref.name, feeds, found, _threads(feeds.values()))


def _sources(ref: DatasetRef, source: Source, inputs: Sequence[TensorSpec]) -> dict[str, str]:
    """The column of each input."""
    known = {spec.name for spec in inputs}
    for field, names in (("inputs", ref.inputs), ("transforms", ref.transforms)):
        if unknown := sorted(set(names) - known):
            raise invalid(
                spoken(ref),
                f"{field} speaks of {unknown[0]}, but the model's inputs are: "
                f"{', '.join(spec.name for spec in inputs)}",
            )
    found = {spec.name: ref.inputs.get(spec.name, spec.name) for spec in inputs}
    rest = [name for name in source.candidates if name != ref.labels]
    if not ref.inputs and len(inputs) == 1 and len(rest) == 1:
        found = {inputs[0].name: rest[0]}
    for name, column in [*found.items(), *([("labels", ref.labels)] if ref.labels else [])]:
        if not source.has(column):
            raise invalid(
                spoken(ref), f"has no column {column} for {name}; it has: {', '.join(source.names)}"
            )
    return found


def _require_samples(ref: DatasetRef, columns: Mapping[str, Column]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise invalid(
            spoken(ref), f"has columns of different lengths ({said}); the first axis is the sample"
        )
    if 0 in lengths.values():
        raise invalid(spoken(ref), "has no samples")


def _check_fits(ref: DatasetRef, spec: TensorSpec, feed: Feed) -> tuple[int, ...]:
    """Compare the first sample, as it comes out, with what the model takes; gives its shape."""
    found = feed.made(np.zeros(1, np.int64))
    if not _fits(spec, found):
        axes = ", ".join(str(axis) for axis in spec.shape)
        shape = ", ".join(map(str, ("samples", *found.shape[1:])))
        raise misshapen(
            spoken(ref),
            f"input {spec.name} takes {spec.dtype} of shape [{axes}], but gets {found.dtype} of "
            f"shape [{shape}]; transforms can change it",
        )
    return found.shape


def _fits(spec: TensorSpec, found: np.ndarray) -> bool:
    if not spec.shape or len(spec.shape) != found.ndim:
        return False
    pairs = zip(spec.shape[1:], found.shape[1:], strict=True)
    if any(isinstance(axis, int) and axis != size for axis, size in pairs):
        return False
    return _casts(found.dtype, spec.dtype)


def _casts(dtype: np.dtype[Any], to: str) -> bool:
    try:
        return bool(np.can_cast(dtype, np.dtype(to), casting="same_kind"))
    except TypeError:  # numpy has no such type, as for strings and bfloat16
        return False


def _compared(feed: Feed) -> np.dtype[Any] | None:
    """The type in which elements are compared, so that float64 and float32 can be the same."""
    first = feed.column.take(np.zeros(1, np.int64))[0]
    return np.dtype(feed.dtype) if _casts(first.dtype, feed.dtype) else None


def _threads(feeds: Iterable[Feed]) -> int:
    """Images and transforms are worth every core; what is only read is made by one thread."""
    if any(feed.transforms or _is_image(feed.column) for feed in feeds):
        return max(1, min(_MOST_THREADS, len(os.sched_getaffinity(0))))
    return 1


def _is_image(column: Column) -> bool:
    return isinstance(column, Encoded) and column.opaque
